import DFSProtocol
import DFSTransport

/// What a file server says of a file's content, and what tells one content from another.
public struct FileFacts: Equatable, Sendable {
    /// Bytes.
    public internal(set) var size: Int64
    /// Counts the file's changes.
    public internal(set) var version: Int64
    /// The file's identity over renames; 0 where the server did not tell.
    public let fileID: Int64
    /// SHA-256 as 64 hexadecimal digits, where it was computed on both sides and found equal.
    public internal(set) var sha256: String?

    init(_ line: ReplyLine, path: TreePath?) throws(DFSError) {
        do throws(RequestError) {
            size = try line.number("size")
            version = try line.number("ver")
            fileID = try EntryReader.optional(line, "fid") ?? 0
        } catch {
            throw .violation(error.advice, path: path)
        }
    }

    /// Whether both were said of the same content of the same file.
    func isSameContent(as other: FileFacts) -> Bool {
        let sameFile = fileID == other.fileID || fileID == 0 || other.fileID == 0
        return sameFile && version == other.version && size == other.size
    }
}

/// A file's digest, as its server computed it.
public struct FileDigest: Equatable, Sendable {
    /// SHA-256 as 64 lower-case hexadecimal digits.
    public let sha256: String
    /// What was digested.
    public let facts: FileFacts
}
