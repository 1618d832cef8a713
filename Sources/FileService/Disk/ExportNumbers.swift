import DFSProtocol

/// Tells for which export work is, so that a disk that stalls holds up no work for others.
///
/// A server with one export has one number; with several there is one more, for work that needs
/// several of them or none.
public struct ExportNumbers: Sendable {
    private let mounts: [TreePath]

    /// Takes where the exports stand; their numbers are their places in this list.
    public init(_ mounts: [TreePath]) { self.mounts = mounts }

    /// How many numbers there are; at least 1.
    public var count: Int { mounts.count > 1 ? mounts.count + 1 : 1 }

    /// The export with the longest mount above a path.
    ///
    /// - Parameter path: Nil for work that is for no path.
    public func number(of path: TreePath?) -> Int {
        guard mounts.count > 1 else { return 0 }
        var best: Int?
        if let path {
            for (number, mount) in mounts.enumerated() where path.isWithin(mount) {
                if let best, mounts[best].bytes.count >= mount.bytes.count { continue }
                best = number
            }
        }
        return best ?? mounts.count
    }
}

extension DiskWork {
    /// The path or the file that the work is for; nil where it is for the server as a whole.
    public var path: TreePath? {
        switch self {
        case .open(let path, _, _, _), .entry(let path), .list(let path, _, _, _),
            .fetch(let path, _, _), .store(let path, _, _, _, _), .setAttributes(let path, _, _),
            .digest(let path, _):
            path
        case .confirm(let file, _, _), .read(let file, _, _, _), .look(let file, _, _),
            .write(let file, _, _, _), .append(let file, _), .truncate(let file, _),
            .sync(let file), .close(let file), .describe(let file),
            .setFileAttributes(let file, _, _):
            file.path
        case .status: nil
        }
    }
}
