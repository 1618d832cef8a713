import DFSProtocol

/// Which export answers for a path: the one with the longest mount above it.
struct MountTable: Sendable {
    /// Exports in the order of their mounts, with the number that each has in the change log.
    let exports: [Export]

    /// Where the exports stand.
    var mounts: [TreePath] { exports.map(\.mount) }

    /// The export whose mount is the longest above a path.
    func owner(of path: TreePath) -> Export? {
        exports.filter { path.isWithin($0.mount) }.max {
            $0.mount.bytes.count < $1.mount.bytes.count
        }
    }

    /// Names in a directory under which mounts stand, in order, without repetition.
    func names(in path: TreePath) -> [[UInt8]] {
        var names: Set<[UInt8]> = []
        for export in exports where export.mount != path && export.mount.isWithin(path) {
            let rest = export.mount.relative(to: path) ?? []
            names.insert(Array(rest.prefix { $0 != TreePath.slash }))
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Paths below one mount where others stand, relative to it.
    static func shadows(of mount: TreePath, among mounts: [TreePath]) -> Set<[UInt8]> {
        Set(
            mounts.filter { $0 != mount && $0.isWithin(mount) }
                .map { Array($0.relative(to: mount) ?? []) })
    }
}
