/// One line of a REPORT's data: what a file server says of one path.
///
/// - Source: Protocol.md, "REPORT".
public enum FileReport: Equatable, Sendable {
    /// `+ path size= mtime= ver= [mode=] [fid=]`: the file is there, and this is what it is.
    case file(TreePath, FileFacts)
    /// `+ path type=dir mtime= [mode=]`: the directory is there.
    case directory(TreePath, mtime: WallTime, mode: FileMode?)
    /// `- path`: neither the path nor anything below it is there any more.
    case gone(TreePath)

    /// The path that the line is about.
    public var path: TreePath {
        switch self {
        case .file(let path, _), .directory(let path, _, _), .gone(let path): path
        }
    }
}

/// What is known of a regular file.
public struct FileFacts: Equatable, Sendable {
    /// In bytes.
    public var size: Int64
    /// When the contents last changed.
    public var mtime: WallTime
    /// Permission bits; nil where they were not told.
    public var mode: FileMode?
    /// Identity: given at creation and never again; 0 where it was not told.
    public var fid: Int64
    /// Counts the changes within one `fid`, from 0.
    public var ver: Int64
    /// Whether the disk failed under the file, and nobody has read it whole since; not reported.
    public var isUnverified = false

    /// Joins what a file server knows of a file.
    public init(size: Int64, mtime: WallTime, mode: FileMode? = nil, fid: Int64 = 0, ver: Int64) {
        self.size = size
        self.mtime = mtime
        self.mode = mode
        self.fid = fid
        self.ver = ver
    }
}

extension FileReport {
    /// Reads the lines of a REPORT's data; LF or CRLF between them, blank lines are dropped.
    ///
    /// - Throws: `bad-argument line=` with the number of the first bad line, counted from 1.
    public static func parse(_ data: [UInt8]) throws(RequestError) -> [FileReport] {
        var reports: [FileReport] = []
        var parser = LineParser()
        var start = 0
        var number = 0
        while start < data.count {
            number += 1
            let newline = data[start...].firstIndex(of: 0x0A) ?? data.count
            var end = newline
            if end > start, data[end - 1] == 0x0D { end -= 1 }
            do throws(RequestError) {
                let line = data.span.extracting(start..<end)
                if !isBlank(line) { reports.append(try FileReport(line, &parser)) }
            } catch {
                throw RequestError(
                    .badArgument, "line \(number) of the data: \(error.advice)",
                    fields: [.init("line", number: number)])
            }
            start = newline + 1
        }
        return reports
    }

    private static func isBlank(_ line: Span<UInt8>) -> Bool {
        for index in 0..<line.count where line[index] != UInt8(ascii: " ") { return false }
        return true
    }

    private init(_ line: Span<UInt8>, _ parser: inout LineParser) throws(RequestError) {
        try parser.parse(line)
        guard parser.tag == nil, parser.argumentCount > 0, !parser[0].isPair else {
            throw RequestError(.badSyntax, "a line is + or -, a path, and pairs")
        }
        let path = try TreePath(parser.value(0, in: line))
        switch parser.headBytes(in: line) {
        case [UInt8(ascii: "-")]:
            guard parser.argumentCount == 1 else {
                throw RequestError(.badSyntax, "- takes a path and nothing else")
            }
            self = .gone(path)
        case [UInt8(ascii: "+")]: self = try FileReport.present(path, line, parser)
        default: throw RequestError(.badSyntax, "a line starts with + or -")
        }
    }

    /// The pairs of a `+` line, raw.
    private struct Values {
        var type: [UInt8]?
        var size: [UInt8]?
        var mtime: [UInt8]?
        var ver: [UInt8]?
        var mode: [UInt8]?
        var fid: [UInt8]?

        init(_ line: Span<UInt8>, _ parser: LineParser) throws(RequestError) {
            for index in 1..<parser.argumentCount {
                let value = parser.value(index, in: line)
                switch parser.key(index, in: line) {
                case [UInt8]("type".utf8): type = value
                case [UInt8]("size".utf8): size = value
                case [UInt8]("mtime".utf8): mtime = value
                case [UInt8]("ver".utf8): ver = value
                case [UInt8]("mode".utf8): mode = value
                case [UInt8]("fid".utf8): fid = value
                default:
                    throw RequestError(
                        .badArgument, "the keys are type, size, mtime, ver, mode and fid")
                }
            }
        }
    }

    private static func present(
        _ path: TreePath, _ line: Span<UInt8>, _ parser: LineParser
    ) throws(RequestError) -> FileReport {
        let values = try Values(line, parser)
        let mtime = try WallTime(text: values.mtime ?? [])
        var mode: FileMode?
        if let text = values.mode { mode = try FileMode(text: text) }
        switch values.type {
        case [UInt8]("dir".utf8):
            guard values.size == nil, values.ver == nil, values.fid == nil else {
                throw RequestError(.badArgument, "a directory has mtime= and mode= only")
            }
            return .directory(path, mtime: mtime, mode: mode)
        case nil, [UInt8]("file".utf8):
            guard !path.isRoot else { throw RequestError(.isDirectory, "/ is a directory") }
            let size = try Number.parse(values.size ?? [], named: "size")
            let ver = try Number.parse(values.ver ?? [], named: "ver")
            let fid = try Number.parse(values.fid ?? [UInt8(ascii: "0")], named: "fid")
            return .file(
                path, FileFacts(size: size, mtime: mtime, mode: mode, fid: fid, ver: ver))
        default: throw RequestError(.badArgument, "type is dir or file")
        }
    }

    /// Writes the line as a file server sends it.
    public func write(into writer: inout LineWriter) {
        switch self {
        case .gone(let path):
            writer.append("- ")
            writer.appendQuoted(path.bytes)
        case .directory(let path, let mtime, let mode):
            writer.append("+ ")
            writer.appendQuoted(path.bytes)
            writer.append(" type=dir")
            writer.pair("mtime", mtime.text)
            if let mode { writer.pair("mode", mode.text) }
        case .file(let path, let facts):
            writer.append("+ ")
            writer.appendQuoted(path.bytes)
            writer.pair("size", facts.size)
            writer.pair("mtime", facts.mtime.text)
            writer.pair("ver", facts.ver)
            if let mode = facts.mode { writer.pair("mode", mode.text) }
            if facts.fid > 0 { writer.pair("fid", facts.fid) }
        }
        writer.end()
    }
}
