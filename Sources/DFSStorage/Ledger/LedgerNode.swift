import DFSProtocol

/// Place of a name in the ledger's tree: an index that is used again after the name has gone.
typealias NodeID = UInt32

/// One name of an export in 88 bytes: what it is, and what it was when its version was counted.
struct LedgerNode: Equatable, Sendable {
    /// What stands under the name.
    enum Kind: UInt8, Sendable {
        /// No name: the place waits to be used again.
        case free
        case file
        case directory
    }

    /// Identity of a file; 0 for a directory.
    var fid: Int64 = 0
    /// Counts the changes of a file within its `fid`.
    var ver: Int64 = 0
    /// What the disk said when `ver` was counted; a difference is a change that was not counted
    /// yet.
    var stamp = FileStamp()
    var parent: NodeID = 0
    /// Links of the parent's list of children, in no order; 0 ends it.
    var next: NodeID = 0
    var previous: NodeID = 0
    var firstChild: NodeID = 0
    /// Where the name stands in the arena.
    var nameOffset: UInt32 = 0
    var nameLength: UInt8 = 0
    var kind = Kind.free
    var permissions: UInt16 = 0
    /// Whether a write or fsync of the file failed, and nobody has read it whole since.
    var isUnverified = false
    /// Whether the disk has a row for it at its place, of whatever age.
    var isKept = false
    /// Waits to be written to the disk.
    var isQueued = false
    /// Is being written to the disk now.
    var isInFlight = false

    /// Whether a crash now could lose what memory says of it.
    var isUncommitted: Bool { isQueued || isInFlight }

    /// Permission bits, as the protocol has them.
    var mode: FileMode {
        get { FileMode(bits: UInt32(permissions)) }
        set { permissions = newValue.bits }
    }

    /// What the protocol tells of it.
    var facts: FileFacts {
        var facts = FileFacts(
            size: kind == .file ? stamp.size : 0, mtime: stamp.mtime, mode: mode, fid: fid,
            ver: ver)
        facts.isUnverified = isUnverified
        return facts
    }
}
