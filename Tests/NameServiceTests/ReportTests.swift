import DFSProtocol
import Testing

@testable import NameService

@Suite struct ReportTests {
    @Test func `one bad line refuses the whole report and is named`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        let good = (1...900).map { NameWorld.line("/dir/file-number-\($0)-with-a-long-name-\($0)") }

        let answer = try world.send(
            "REPORT fs1", on: 2, data: good.joined() + "+ /x size=1 mtime=never ver=0\n")

        #expect(answer.hasPrefix("ERR bad-argument line=901 "), "\(answer)")
        #expect(try world.send("LIST /") == "OK count=0\n")
    }

    @Test(arguments: ["/other", "/m-2/x", "/"])
    func `a path outside of the server's mounts is refused`(path: String) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, mounts: "/m")

        let answer = try world.send("REPORT fs1", on: 2, data: "- \(path)\n")

        #expect(answer.hasPrefix("ERR bad-argument line=1 "), "\(answer)")
    }

    @Test func `an inventory removes what it did not mention, and only at its end`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/a", "/d/b", "/e/c"])
        try world.addServer("fs2", on: 3, files: ["/d/other"])

        let more = try world.send("REPORT fs1 inventory=more", on: 2, data: NameWorld.line("/d/b"))
        let during = try world.send("FIND / type=file")
        let end = try world.send(
            "REPORT fs1 inventory=end gen=2", on: 2, data: NameWorld.line("/n"))
        let after = try world.send("FIND /")

        #expect(more == "OK files=3\n")
        #expect(during.hasSuffix("OK count=4\n"))
        #expect(end == "OK files=2\n")
        #expect(
            after.split(separator: "\n").map { $0.prefix(19) } == [
                "* dir path=/d", "* file path=/d/b si", "* file path=/d/othe",
                "* file path=/n size", "OK count=4",
            ])
    }

    @Test func `an inventory that ends with its connection removes nothing`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a", "/b"])
        try world.send("REPORT fs1 inventory=more", on: 2, data: NameWorld.line("/a"))
        world.close(2)
        try world.send("REGISTER fs1 / addr=h:1 epoch=1", on: 3)

        try world.send("REPORT fs1 inventory=more", on: 3, data: NameWorld.line("/b"))

        #expect(try world.send("FIND /").hasSuffix("OK count=2\n"))
        try world.send("REPORT fs1 inventory=end", on: 3, data: "")
        #expect(try world.send("FIND /").hasPrefix("* file path=/b "))
    }

    @Test func `what is reported or renamed during an inventory outlives its end`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/a", "/f"])
        try world.send("REPORT fs1 inventory=more", on: 2, data: NameWorld.line("/f"))

        try world.send("REPORT fs1", on: 2, data: NameWorld.line("/fresh"))
        try world.post("RENAME /d /moved").ignore()
        try world.send("DONE \(world.lastOperation(2))", on: 2)
        try world.send("REPORT fs1 inventory=end", on: 2, data: "")

        #expect(
            try world.send("FIND /").split(separator: "\n").dropLast()
                .compactMap { $0.split(separator: " ").first { $0.hasPrefix("path=") } }
                == ["path=/f", "path=/fresh", "path=/moved", "path=/moved/a"])
    }

    @Test func `a removed directory takes what is below with it, but not another server's`() throws
    {
        var world = try NameWorld()
        let files = (1...5000).map { "/d/s/file\($0)" }
        try world.addServer("fs1", on: 2, files: files)
        try world.addServer("fs2", on: 3, files: ["/d/s/theirs"])

        let answer = try world.send("REPORT fs1", on: 2, data: "- /d\n")

        #expect(answer == "OK files=0\n")
        #expect(try world.send("DU /") == "OK files=1 dirs=2 bytes=5\n")
        #expect(try world.send("REPORT fs2", on: 3, data: "- /d\n") == "OK files=0\n")
        #expect(try world.send("LIST /") == "OK count=0\n")
        #expect(world.rows.nodeCount == 0)
    }

    @Test func `a directory becomes a file, and a file a directory`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/x/a/b", "/y"])

        try world.send(
            "REPORT fs1", on: 2, data: NameWorld.line("/x") + NameWorld.line("/y/inside"))

        #expect(try world.send("LOCATE /x").hasPrefix("OK path=/x "))
        #expect(try world.send("LOCATE /y/inside").hasPrefix("OK path=/y/inside "))
        #expect(try world.send("DU /") == "OK files=2 dirs=1 bytes=10\n")
        try world.restart()
        #expect(try world.send("DU /") == "OK files=2 dirs=1 bytes=10\n")
    }

    @Test func `a path of two servers belongs to the first, and the other is told`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/p"])
        try world.addServer("fs2", on: 3)
        try world.send(
            "REPORT fs2", on: 3, data: "+ /p size=9 mtime=2026-11-22T08:30:00Z ver=3\n")

        #expect(try world.send("LOCATE /p").contains("server=fs1 "))
        #expect(try world.send("LOCATE /p server=fs2").contains("server=fs2 addr=127.0.0.1:7403 "))
        #expect(try world.send("LIST /").contains("server=fs1 state=up conflict=fs2\n"))
        #expect(try world.send("STATUS").contains(" conflicts=1 "))
        try world.restart()
        #expect(try world.send("LIST /").contains("server=fs1 state=suspect conflict=fs2\n"))
        #expect(try world.send("STATUS").contains(" conflicts=1 "))
    }

    @Test func `when the first of two files goes the other answers to the name`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/p"])
        try world.addServer("fs2", on: 3, files: ["/p"])

        try world.send("REPORT fs1", on: 2, data: "- /p\n")

        #expect(try world.send("LOCATE /p").contains("server=fs2 "))
        #expect(try world.send("STATUS").contains(" conflicts=0 "))
    }

    @Test func `the longest mount wins a name, whoever was first`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/B/p"])
        try world.addServer("fs2", on: 3, mounts: "/B", files: ["/B/p"])

        #expect(try world.send("LOCATE /B/p").contains("server=fs2 "))
        #expect(try world.send("LOCATE /B/p server=fs1").contains("server=fs1 "))
    }

    @Test func `facts that do not fit a record are kept all the same`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        let facts =
            "size=9223372036854775807 mtime=0001-01-01T00:00:00.123456789Z mode=0640 "
            + "ver=9223372036854775807 fid=9223372036854775807"

        try world.send(
            "REPORT fs1", on: 2, data: "+ /p \(facts.replacing("mode=0640 ", with: "")) mode=0640\n"
        )

        let expected = "OK type=file \(facts) server=fs1 state="
        #expect(try world.send("STAT /p").hasPrefix(expected))
        try world.restart()
        #expect(try world.send("STAT /p").hasPrefix(expected))
    }
}

extension RequestID {
    /// The answer comes later, and the test does not look at it.
    func ignore() {}
}
