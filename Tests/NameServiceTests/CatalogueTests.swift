import DFSProtocol
import Testing

@testable import NameService

/// A generator that gives the same numbers in every run.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

@Suite struct CatalogueTests {
    @Test(arguments: [1, 2, 3, 4, 5])
    func `the index agrees with a dictionary over random changes`(seed: UInt64) throws {
        var random = Seeded(state: seed)
        var catalogue = Catalogue(seed: seed)
        var model: [String: UInt32] = [:]
        for _ in 0..<6000 {
            let name = "n\(Int.random(in: 0..<1500, using: &random))"
            let bytes = [UInt8](name.utf8)
            let found = catalogue.child(of: 0, bytes.span)
            #expect(found == model[name] ?? Catalogue.none)
            if let node = model[name] {
                if Bool.random(using: &random) {
                    catalogue.free(node)
                    model[name] = nil
                } else {
                    let target = "n\(Int.random(in: 0..<1500, using: &random))"
                    guard model[target] == nil else { continue }
                    try catalogue.move(node, to: [UInt8](target.utf8), in: 0)
                    model[name] = nil
                    model[target] = node
                }
            } else {
                let node = try catalogue.insert(bytes.span, in: 0, kind: .directory)
                model[name] = node
            }
        }

        var listed: [String] = []
        _ = catalogue.walk(0, after: [], steps: .max) { _, path in
            listed.append(String(decoding: path, as: UTF8.self))
            return .goOn
        }

        #expect(listed == model.keys.sorted())
        #expect(catalogue.counts.directories == model.count)
    }

    @Test func `a record stays within 48 bytes`() {
        #expect(MemoryLayout<CatalogueRecord>.stride == 48)
    }

    @Test(arguments: [true, false])
    func `twenty thousand names in one directory stay in order`(isAscending: Bool) throws {
        var catalogue = Catalogue(seed: 1)
        let numbers = isAscending ? Array(10_000..<30_000) : Array((10_000..<30_000).reversed())

        for number in numbers {
            _ = try catalogue.insert([UInt8]("\(number)".utf8).span, in: 0, kind: .claim)
        }

        var last = 9_999
        _ = catalogue.walk(0, after: [], steps: .max) { _, path in
            let number = Int(String(decoding: path, as: UTF8.self)) ?? 0
            #expect(number == last + 1)
            last = number
            return .goOn
        }
        #expect(last == 29_999)
    }

    @Test(arguments: [1, 2, 7, 1000])
    func `a walk in slices sees what a walk at once does`(steps: Int) throws {
        var world = try NameWorld()
        let files = (0..<300).map { "/d\($0 % 7)/s\($0 % 13)/f\($0)" } + ["/d-1/x", "/d!/x"]
        try world.addServer("fs1", on: 2, files: files)
        var whole: [String] = []
        _ = world.core.catalogue.walk(0, after: [], steps: .max) { _, path in
            whole.append("/" + String(decoding: path, as: UTF8.self))
            return .goOn
        }

        var sliced: [String] = []
        var cursor: [UInt8]? = []
        while let after = cursor {
            cursor = world.core.catalogue.walk(0, after: after, steps: steps) { _, path in
                sliced.append("/" + String(decoding: path, as: UTF8.self))
                return .goOn
            }
        }

        #expect(sliced == whole)
        #expect(try whole.map { try TreePath($0) } == whole.map { try TreePath($0) }.sorted())
    }

    @Test func `what a crash left without a parent is dropped and its rows go`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/s/a", "/d/s/b", "/e"])
        let lost = try #require(world.rows.node(named: "d"))
        world.rows.lose(lost.number)

        try world.restart()

        #expect(try world.send("DU /") == "OK files=1 dirs=0 bytes=5\n")
        #expect(world.rows.nodeCount == 1)
        try world.send("REGISTER fs1 / addr=127.0.0.1:7402 epoch=2 gen=1", on: 3)
        try world.send("MKDIR /new")
        #expect(try world.send("LIST /new") == "OK count=0\n")
    }

    @Test func `a damaged row stops the start`() throws {
        var core = NameAuthority(id: try #require(ServerID("ns1")), seed: 1)
        let facts = FileFacts(size: 1, mtime: WallTime(seconds: 1), ver: 0)
        for name in ["", "..", "a/b"] {
            #expect(throws: CatalogueStoreError.self) {
                try core.load(
                    .node(
                        CatalogueNode(
                            number: 1, parent: 0, name: [UInt8](name.utf8), kind: .file, server: 1,
                            facts: facts)))
            }
        }
    }

    @Test func `pages of LIST and FIND go on where they ended`() throws {
        var world = try NameWorld()
        let files = (0..<2500).map { "/d/f\($0)" }
        try world.addServer("fs1", on: 2, files: files)
        for (verb, key) in [("LIST /d", " name="), ("FIND /d", " path=/d/")] {
            var seen: [String] = []
            var after = ""
            repeat {
                let lines = try world.send("\(verb) limit=999 \(after)").split(separator: "\n")
                seen += lines.dropLast().compactMap { line in
                    line.split(separator: " ").first { " \($0)".hasPrefix(key) }
                        .map { String($0.dropFirst(key.count - 1)) }
                }
                after =
                    lines.last?.split(separator: " ").first { $0.hasPrefix("after=") }
                    .map(String.init) ?? ""
            } while !after.isEmpty

            #expect(seen == files.map { String($0.dropFirst(3)) }.sorted())
        }
    }
}
