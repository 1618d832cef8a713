import DFSProtocol

/// One blocking piece of work that the core wants done, and who it is for.
public struct DiskJob: Sendable {
    /// Tells the job from every other of this process; the answer is handed back with it.
    public let number: UInt64
    /// The request whose payload the work may read; nil where no client asked.
    public let request: RequestID?
    /// What to do.
    public let work: DiskWork

    init(number: UInt64, request: RequestID?, work: DiskWork) {
        self.number = number
        self.request = request
        self.work = work
    }
}

/// Everything that a file server asks of its disk; blocking, so it runs on the storage pool.
public enum DiskWork: Sendable {
    case open(TreePath, FileAccess, mode: FileMode?, ifVersion: Int64?)
    /// Looks again at a file that was opened and then waited for its lock.
    case confirm(any OpenFile, TreePath, ifVersion: Int64?)
    /// Reads into the host's space, or into text that the core writes into the answer.
    case read(any OpenFile, at: Int64, count: Int, asText: Bool)
    /// Reads what stands behind an offset, for who follows the file.
    case look(any OpenFile, at: Int64, count: Int)
    case write(any OpenFile, at: Int64, RequestData, ifVersion: Int64?)
    case append(any OpenFile, RequestData)
    case truncate(any OpenFile, to: Int64)
    case sync(any OpenFile)
    case close(any OpenFile)
    case describe(any OpenFile)
    case setFileAttributes(any OpenFile, mode: FileMode?, mtime: WallTime?)
    case entry(TreePath)
    case list(TreePath, after: [UInt8]?, limit: Int, tag: Tag?)
    /// A whole file of at most `limit` bytes, or as much of a range as fits.
    case fetch(TreePath, FileRange?, limit: Int)
    case store(TreePath, RequestData, mode: FileMode?, mtime: WallTime?, ifVersion: Int64?)
    case setAttributes(TreePath, mode: FileMode?, mtime: WallTime?)
    case digest(TreePath, FileRange?)
    case status
}

/// Bytes of a file from an offset on.
public struct FileRange: Equatable, Sendable {
    /// Bytes from the start of the file.
    public let offset: Int64
    /// In bytes; offset + count is at most 2^63-1.
    public let count: Int64

    /// Takes a range whose end is no larger than 2^63-1.
    ///
    /// - Throws: `range` where it is.
    public init(offset: Int64, count: Int64) throws(RequestError) {
        guard !offset.addingReportingOverflow(count).overflow else {
            throw RequestError(.range, "offset + count is over 9223372036854775807")
        }
        self.offset = offset
        self.count = count
    }
}

/// Where the data of a request is when its work runs.
public enum RequestData: Equatable, Sendable {
    /// It stood in the line.
    case inline([UInt8])
    /// The host holds it as the payload of the request.
    case attached(count: Int)

    init(_ content: Request.Content) {
        switch content {
        case .none: self = .inline([])
        case .inline(let bytes): self = .inline(bytes)
        case .literal(let count): self = .attached(count: count)
        }
    }

    /// In bytes.
    public var count: Int {
        switch self {
        case .inline(let bytes): bytes.count
        case .attached(let count): count
        }
    }
}

/// What a piece of disk work came to.
public enum DiskOutcome: Sendable {
    case opened(any OpenFile, FileFacts)
    /// So many bytes stand in the host's space.
    case read(count: Int, reachedEnd: Bool)
    case text([UInt8], reachedEnd: Bool)
    /// So many bytes stand in the host's space; the size where they reach the end of the file.
    case looked(count: Int, size: Int64?, isStale: Bool)
    case wrote(count: Int, size: Int64)
    case facts(FileFacts)
    case entry(FileEntry)
    /// Whole item lines; `after` is where the next page starts, nil at the end.
    case listing(LineWriter, count: Int, after: [UInt8]?)
    /// The bytes of a file stand in the host's space.
    case fetched(FileIdentity, FileFacts, count: Int, reachedEnd: Bool)
    case digest(sha256: [UInt8], FileFacts)
    case census(StoreCensus, freeBytes: Int64?)
}

/// Memory that bytes are read into, so that the core need not know the host's buffers.
public protocol ReadSpace {
    /// Makes room for `count` bytes at the end and keeps as many as `body` says that it filled.
    mutating func fill(
        _ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws(RequestError) -> Int
    ) throws(RequestError) -> Int
}
