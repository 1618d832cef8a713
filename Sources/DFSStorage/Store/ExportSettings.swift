import DFSProtocol

/// One `--export DIR[:/mount]`: a folder on this machine and its place in the tree.
public struct ExportSettings: Equatable, Sendable {
    /// Where the folder stands on this machine, in bytes because any name is possible.
    public var folder: [UInt8]
    /// Where its contents stand in the tree.
    public var mount: TreePath

    /// Pairs a folder with its mount.
    public init(folder: [UInt8], mount: TreePath) {
        self.folder = folder
        self.mount = mount
    }

    /// Pairs a folder named by a person with its mount.
    public init(folder: String, mount: TreePath = .root) {
        self.init(folder: [UInt8](folder.utf8), mount: mount)
    }
}
