import DFSProtocol

/// One thing below the top of a tree, on either side.
struct MirrorItem: Equatable, Sendable {
    enum Kind: Sendable {
        case file
        case directory
        /// A link, a FIFO or a device, which no mirror brings anywhere.
        case other
    }

    /// Names from the top on, joined by `/`; never empty.
    let path: [UInt8]
    let kind: Kind
    /// Bytes of a file.
    var size: Int64 = 0
    /// When a file was last changed; nil where that is not known.
    var modified: WallTime?
}

/// What makes one tree the mirror of another.
///
/// Deletion is what can not be taken back. It is planned only where both are known whole: not below
/// what was not read, and not where a file server hangs that is away.
struct MirrorPlan: Equatable, Sendable {
    /// Directories that are missing, each before what is in it.
    private(set) var directories: [MirrorItem] = []
    /// Files that are missing, or are others.
    private(set) var files: [MirrorItem] = []
    /// What the source does not have, everything in a directory before it.
    private(set) var deletions: [MirrorItem] = []
    /// Files that are the same on both sides.
    private(set) var unchanged: Int64 = 0
    /// What the source does not have and is kept all the same.
    private(set) var spared: Int64 = 0

    /// Compares both sides: a file is the same where its size and its time are.
    ///
    /// - Parameter source: Each directory before what is in it.
    /// - Parameter target: As `source`.
    /// - Parameter kept: Places from the top on, at and below which nothing may be deleted, nor
    ///   what they stand in; the empty one is the top.
    init(source: [MirrorItem], target: [MirrorItem], deletes: Bool, keeping kept: [[UInt8]] = []) {
        var there: [[UInt8]: MirrorItem] = [:]
        for item in target { there[item.path] = item }
        var wanted: Set<[UInt8]> = []
        for item in source {
            wanted.insert(item.path)
            let found = there[item.path]
            switch item.kind {
            case .other: continue
            case .directory: if found?.kind != .directory { directories.append(item) }
            case .file:
                if let found, found.kind == .file, found.size == item.size,
                    let time = item.modified, found.modified == time
                {
                    unchanged += 1
                } else {
                    files.append(item)
                }
            }
        }
        guard deletes else { return }
        for item in target.reversed() where !wanted.contains(item.path) {
            if kept.contains(where: { MirrorPlan.touches(item.path, $0) }) {
                spared += 1
            } else {
                deletions.append(item)
            }
        }
    }

    /// Whether one path is the other one, stands below it, or it below this one.
    private static func touches(_ path: [UInt8], _ kept: [UInt8]) -> Bool {
        isWithin(path, kept) || isWithin(kept, path)
    }

    private static func isWithin(_ path: [UInt8], _ top: [UInt8]) -> Bool {
        top.isEmpty || path == top || path.starts(with: top + [TreePath.slash])
    }
}
