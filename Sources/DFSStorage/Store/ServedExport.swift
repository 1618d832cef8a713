import DFSProtocol

/// Which ledger stood in an export when it was served.
///
/// Kept outside of the export, it tells a folder whose disk is not mounted from a folder that is
/// new: the one is an outage, and only the other is empty.
public struct ServedExport: Hashable, Sendable {
    /// Where the export stands in the tree.
    public var mount: TreePath
    /// Where its folder stands on this machine, without symlinks.
    public var folder: [UInt8]
    /// The number that was given to the ledger when it was made; 0 where there was none, on a
    /// read-only file system.
    public var ledger: Int64

    /// Joins the parts.
    public init(mount: TreePath, folder: [UInt8], ledger: Int64) {
        self.mount = mount
        self.folder = folder
        self.ledger = ledger
    }
}
