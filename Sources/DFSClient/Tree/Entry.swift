import DFSProtocol

/// What the name server thinks of a file server.
public enum ServerState: Equatable, Sendable {
    case up
    /// Silent for a while; asking it can still work.
    case suspect
    /// Silent for too long: its files are known and can not be had.
    case down
    case draining
    /// Stopped as planned, or its folders are away; its files are known and can not be had.
    case goodbye
    /// A word of a newer server.
    case other(String)

    init(_ word: String) {
        self =
            switch word {
            case "up": .up
            case "suspect": .suspect
            case "down": .down
            case "draining": .draining
            case "goodbye": .goodbye
            default: .other(word)
            }
    }

    /// The wire's word.
    public var word: String {
        switch self {
        case .up: "up"
        case .suspect: "suspect"
        case .down: "down"
        case .draining: "draining"
        case .goodbye: "goodbye"
        case .other(let word): word
        }
    }

    /// Whether its files can be had, as far as is known.
    public var isAvailable: Bool { self != .down && self != .goodbye }
}

/// A file or a directory of the tree, as a listing has it.
public struct Entry: Equatable, Sendable {
    /// What kind of thing it is.
    public enum Kind: Sendable {
        case file
        case directory
    }

    /// The whole path.
    public let path: TreePath
    /// File or directory.
    public let kind: Kind
    /// Bytes; 0 for a directory.
    public let size: Int64
    /// Last change; nil where the server did not tell.
    public let modified: WallTime?
    /// Permission bits; nil where the server did not tell.
    public let mode: FileMode?
    /// The file server that has it; nil for a directory.
    public let server: ServerID?
    /// Whether that server is up; `up` for a directory, which needs none.
    public let state: ServerState
    /// Other servers that report the same path.
    public let conflicts: [ServerID]

    /// The last component of the path.
    public var name: [UInt8] { Array(path.name) }
    /// Whether its content can be had, as far as is known.
    public var isAvailable: Bool { kind == .directory || state.isAvailable }
}

/// Where a file is.
public struct FileLocation: Equatable, Sendable {
    /// The file.
    public let path: TreePath
    /// The file server that has it.
    public let server: ServerID
    /// Where that server is reached.
    public internal(set) var address: Endpoint
    /// What the name server thinks of that server.
    public var state = ServerState.up
    /// Bytes, as of the last report.
    public var size: Int64 = 0
    /// Counts the file's changes, as of the last report.
    public var version: Int64 = 0
    /// How long ago the server last gave a sign of life, in milliseconds.
    public var seenMilliseconds: Int64 = 0

    init(path: TreePath, server: ServerID, address: Endpoint) {
        self.path = path
        self.server = server
        self.address = address
    }
}

/// One file server, as the name server knows it.
public struct ServerInfo: Equatable, Sendable {
    /// Its stable name.
    public let id: ServerID
    /// nil where it was never told, or is not to be believed.
    public let address: Endpoint?
    /// Whether it is alive.
    public let state: ServerState
    /// Whether it said goodbye because its folders are not there; it runs, and waits for them.
    public let isAway: Bool
    /// Whether it is there, and has yet to tell a part of the files that it has.
    ///
    /// Until it has, listings lack files that are there.
    public let isStillTelling: Bool
    /// How long ago it last gave a sign of life, in milliseconds; nil where that is not known.
    public let seenMilliseconds: Int64?
    /// Files that it has reported.
    public let files: Int64
    /// Bytes in those files.
    public let bytes: Int64
    /// Free bytes on its disk; nil where it did not tell.
    public let free: Int64?
    /// Where in the tree its exports stand.
    public let mounts: [TreePath]
    /// Counts its starts.
    public let epoch: Int64?
}

/// What a directory holds in all.
public struct Usage: Equatable, Sendable {
    /// Files, in all directories below.
    public let files: Int64
    /// Directories below; the one that was asked about is not counted.
    public let directories: Int64
    /// Bytes in all the files.
    public let bytes: Int64
}

/// What is known of one path, with every key that the server gave.
public struct FileStatus: Sendable {
    /// The path with what listings tell too.
    public let entry: Entry
    /// Counts the file's changes; nil for a directory.
    public let version: Int64?
    /// The file's identity over renames; nil where it is not known.
    public let fileID: Int64?
    /// Every pair of the answer, in the server's order, for people.
    public let pairs: [(key: String, value: [UInt8])]
}
