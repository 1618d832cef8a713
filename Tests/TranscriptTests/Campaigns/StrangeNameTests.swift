import DFSProtocol
import TestCluster
import Testing

/// Names of every kind that Linux allows, through every door, without a raw control byte anywhere.
struct StrangeNameTests {
    static let names: [[UInt8]] =
        [
            "plain", "two words", " leading", "trailing ", "new\nline", "car\rriage", "tab\tbed",
            "esc\u{1B}[31mred", "bell\u{7}", "del\u{7F}", "{5}", "@7", "*", "!", "#comment", "-rf",
            "key=value", "\"quoted\"", "back\\slash", "'", "$(reboot)", "a;b|c>d", "OK", "é", "日本語",
            "c1\u{9B}31m", "rtl\u{202E}txt", "line\u{2028}sep", "~", "...", ".hidden", "%s", "[x]",
            String(repeating: "n", count: 255), String(repeating: "\n", count: 255),
        ].map { Array($0.utf8) } + [
            [0xFF, 0xFE], [0xC3, 0x28], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xC0, 0xAF],
            Array(repeating: 0xFF, count: 255), Array(1...31), Array(0x7F...0xFF),
        ]

    /// Whether text for a terminal or a log has only what moves no cursor; newlines end its lines.
    private static func isHarmless(_ bytes: [UInt8]) -> Bool {
        guard let text = String(validating: bytes, as: UTF8.self) else { return false }
        return text.unicodeScalars.allSatisfy { scalar in
            scalar == "\n"
                || (scalar.value >= 0x20 && !(0x7F..<0xA0).contains(scalar.value)
                    && !(0x2028...0x202E).contains(scalar.value)
                    && !(0x2066...0x2069).contains(scalar.value))
        }
    }

    /// Between quotation marks, where neither a pattern nor a semicolon means anything to dfsh.
    private static func quoted(_ name: some Collection<UInt8>) -> String {
        String(decoding: Quoting.quoteAlways(Cluster.path("/names", Array(name))), as: UTF8.self)
    }

    private static func cluster() throws -> Cluster {
        let cluster = try Cluster()
        try cluster.startNameServer()
        var export = Cluster.Export(mount: "/names")
        export.files = names.map { ($0, $0) }
        try cluster.startFileServer("fs1", exports: [export])
        return cluster
    }

    @Test func `every name is listed once, in bytewise order, and located`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try StrangeNameTests.cluster()
            defer { cluster.shutDown() }
            let sorted = StrangeNameTests.names.sorted { $0.lexicographicallyPrecedes($1) }

            for id in ["ns1", "fs1"] {
                let connection = try cluster.greeted(by: id)
                let items = try connection.request("LIST /names").dropLast()
                #expect(items.compactMap { $0.line.value("name") } == sorted, "as \(id) lists")
                #expect(items.allSatisfy { StrangeNameTests.isHarmless(Array($0.text.utf8)) })
            }
            let connection = try cluster.greeted(by: "ns1")
            for name in sorted {
                let path = Cluster.path("/names", name)
                let answer = try connection.expectOK("LOCATE \(Quoting.text(path))")
                #expect(answer.line.value("path") == path)
                #expect(StrangeNameTests.isHarmless(Array(answer.text.utf8)))
            }
            let found = try connection.request("FIND /names").dropLast()
            #expect(
                found.compactMap { $0.line.value("path") }
                    == sorted.map { Cluster.path("/names", $0) })
        }
    }

    @Test func `every name is read, stored, renamed and removed over the wire`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try StrangeNameTests.cluster()
            defer { cluster.shutDown() }
            let files = try cluster.greeted(by: "fs1")
            let tree = try cluster.greeted(by: "ns1")
            let folder = try cluster["fs1"].exports[0].folder + [UInt8(ascii: "/")]

            for name in StrangeNameTests.names {
                let path = Quoting.text(Cluster.path("/names", name))
                #expect(try files.expectOK("FETCH \(path)").payload == name)
                try files.expectOK("STORE \(path)", payload: name + name)
                #expect(try FileSystem.read(folder + name) == name + name)
                try tree.expectOK("RENAME \(path) /names/moved")
                try tree.expectOK("RENAME /names/moved \(path)")
                try tree.expectOK("REMOVE \(path)")
                #expect(!FileSystem.exists(folder + name))
            }
            #expect(try cluster.servers.allSatisfy { StrangeNameTests.isHarmless(try $0.log) })
        }
    }

    @Test func `the shell lists, locates and reads every name and prints none of them raw`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let cluster = try StrangeNameTests.cluster()
            defer { cluster.shutDown() }

            for words in [
                ["ls", "/names"], ["ls", "-l", "/names"], ["ls", "-1", "/names"], ["tree", "/"],
                ["find", "/names"], ["--trace", "ls", "/names"],
            ] {
                let run = try cluster.shell(words)
                #expect(run.exitCode == 0, "\(words): \(run.errors)")
                #expect(StrangeNameTests.isHarmless(run.outputBytes), "\(words)")
                #expect(StrangeNameTests.isHarmless(run.errorBytes), "\(words)")
            }
            for name in StrangeNameTests.names {
                let path = StrangeNameTests.quoted(name)
                let none = StrangeNameTests.quoted(name.prefix(200) + Array("-none".utf8))
                let script = "locate \(path)\nstat \(path)\n-cat \(none)\ncat \(path)\n"
                let run = try cluster.shell(["--keep-going"], input: script)
                #expect(run.errors.contains("not found"), "\(path)")
                #expect(StrangeNameTests.isHarmless(run.errorBytes), "\(path)")
                #expect(run.outputBytes.suffix(name.count) == name[...], "\(path)")
                #expect(
                    StrangeNameTests.isHarmless(Array(run.outputBytes.dropLast(name.count))),
                    "\(path)")
            }
        }
    }
}
