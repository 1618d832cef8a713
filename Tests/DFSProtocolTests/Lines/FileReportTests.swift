import DFSProtocol
import Testing

@Suite struct FileReportTests {
    @Test func `the three kinds of lines are read`() throws {
        let data = """
            + /a/b.txt size=5 mtime=2026-11-22T08:30:00.5Z ver=2 mode=0644 fid=9
            + "/a/c d" size=0 mtime=1970-01-01T00:00:00Z ver=0\r

              \r
            + /e type=dir mtime=1970-01-01T00:00:00Z mode=0755
            - "/x\\ny"
            """

        let reports = try FileReport.parse(bytes(data))

        let epoch = WallTime(seconds: 0)
        #expect(
            reports == [
                .file(
                    try TreePath("/a/b.txt"),
                    FileFacts(
                        size: 5, mtime: WallTime(seconds: 1_795_336_200, nanoseconds: 500_000_000),
                        mode: FileMode(bits: 0o644), fid: 9, ver: 2)),
                .file(try TreePath("/a/c d"), FileFacts(size: 0, mtime: epoch, ver: 0)),
                .directory(try TreePath("/e"), mtime: epoch, mode: FileMode(bits: 0o755)),
                .gone(try TreePath("/x\ny")),
            ])
    }

    @Test(arguments: [
        "a", "+", "-", "? /a", "+ a", "- ", "- /a b=c", "- /a /b", "+ /a", "+ k=v", "@1 - /a",
        "+ /a size=1 ver=0", "+ /a size=1 mtime=now ver=0", "+ /a mtime=1970-01-01T00:00:00Z ver=0",
        "+ /a size=-1 mtime=1970-01-01T00:00:00Z ver=0",
        "+ /a size=9223372036854775808 mtime=1970-01-01T00:00:00Z ver=0",
        "+ /a size=1 mtime=1970-01-01T00:00:00Z", "+ / size=1 mtime=1970-01-01T00:00:00Z ver=0",
        "+ /a size=1 mtime=1970-01-01T00:00:00Z ver=0 color=red",
        "+ /a size=1 mtime=1970-01-01T00:00:00Z ver=0 word",
        "+ /a size=1 mtime=1970-01-01T00:00:00Z ver=0 type=link",
        "+ /a size=1 mtime=1970-01-01T00:00:00Z ver=0 mode=9",
        "+ /a size=1 size=1 mtime=1970-01-01T00:00:00Z ver=0", "+ /a type=dir",
        "+ /a type=dir size=1 mtime=1970-01-01T00:00:00Z", "- /.dfs/x", "- /a//b", "# comment",
        "+ /a{b size=1 mtime=1970-01-01T00:00:00Z ver=0",
    ])
    func `one bad line refuses the whole report and says which`(line: String) {
        let data = "- /first\n\n\(line)\n- /last\n"

        let refused = refusal { () throws(RequestError) in _ = try FileReport.parse(bytes(data)) }

        #expect(refused?.code == .badArgument)
        #expect(refused?.field("line") == bytes("3"))
    }

    @Test func `no data is no reports`() throws {
        #expect(try FileReport.parse([]) == [])
        #expect(try FileReport.parse(bytes("\n\r\n")) == [])
    }

    @Test(arguments: [31, 32] as [UInt64])
    func `any report is read back as it was written`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var writer = LineWriter()
        var reports: [FileReport] = []

        for _ in 0..<2000 {
            guard let report = Self.report(&random) else { continue }
            reports.append(report)
            report.write(into: &writer)
        }

        #expect(reports.count > 500)
        #expect(try FileReport.parse(writer.bytes) == reports)
    }

    private static func report(_ random: inout SeededRandom) -> FileReport? {
        let name = random.bytes(upTo: 20)
        guard !name.isEmpty, TreePath.refusal(component: name) == nil,
            // A name that was drawn with a slash in it is another path, and not of interest here.
            let path = try? TreePath.root.appending(name)
        else { return nil }
        let mtime = WallTime(
            seconds: Int64.random(in: -62_135_596_800...253_402_300_799, using: &random),
            nanoseconds: Int32.random(in: 0...999_999_999, using: &random))
        let mode =
            Bool.random(using: &random)
            ? FileMode(bits: UInt32.random(in: 0...0o777, using: &random)) : nil
        switch Int.random(in: 0...2, using: &random) {
        case 0: return .gone(path)
        case 1: return .directory(path, mtime: mtime, mode: mode)
        default:
            return .file(
                path,
                FileFacts(
                    size: Int64.random(in: 0 ... .max, using: &random), mtime: mtime, mode: mode,
                    fid: Int64.random(in: 0...9, using: &random),
                    ver: Int64.random(in: 0 ... .max, using: &random)))
        }
    }
}
