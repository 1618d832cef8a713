import CPosix
import DFSProtocol
import FileService
import Synchronization

/// A directory of an export that is open, with its place in the ledger.
struct Folder: Sendable {
    let descriptor: Descriptor
    let place: NodeID
    let inode: UInt64
}

/// What stands under a name, after ledger and disk have been brought together.
enum Sight: Equatable, Sendable {
    case nothing
    case file(NodeID)
    case directory(NodeID)
    /// Symlinks, special files, mount points and what another export covers.
    case unserved(FileStatus.Kind)
}

extension Export {
    /// Brings ledger and disk together for one name: the only way in which the ledger learns
    /// anything.
    ///
    /// The disk is asked within the ledger's lock where the two differ, so that no change made here
    /// and no other look can come between.
    ///
    /// - Throws: where the disk can not be asked, or what is known is covered by a mount; the
    ///   ledger is left as it is.
    func look(in folder: Folder, named name: some Collection<UInt8>) throws(SystemError) -> Sight {
        let (sight, isNew) = try lookClosely(in: folder, named: name)
        if case .directory(let place) = sight, isNew { found.add(place) }
        return sight
    }

    /// As `look`, and tells whether it is a directory whose contents nobody has looked at yet.
    func lookClosely(
        in folder: Folder, named name: some Collection<UInt8>
    ) throws(SystemError) -> (sight: Sight, isNew: Bool) {
        let status = try statusIfThere(folder.descriptor, name)
        return try ledger.state.withLock { (state) throws(SystemError) -> (Sight, Bool) in
            if let status, let sight = unchanged(state, folder, name, status) {
                return (sight, false)
            }
            guard isCurrent(folder, state) else { return (.nothing, false) }
            let known = state.tree.child(of: folder.place, named: name)
            let inode = known.map { state.tree[$0].stamp.inode }
            let sight = try absorb(&state, folder, name)
            guard case .directory(let place) = sight else { return (sight, false) }
            return (sight, place != known || state.tree[place].stamp.inode != inode)
        }
    }

    /// Whether a directory that was opened is still the one that the ledger has at its place.
    func isCurrent(_ folder: Folder, _ state: borrowing LedgerState) -> Bool {
        guard state.tree.contains(folder.place) else { return false }
        let node = state.tree[folder.place]
        return node.kind == .directory && node.stamp.inode == folder.inode
    }

    private func statusIfThere(
        _ directory: Descriptor, _ name: some Collection<UInt8>
    ) throws(SystemError) -> FileStatus? {
        do throws(SystemError) {
            return try FileStatus(in: directory.number, named: name)
        } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
    }

    private func unchanged(
        _ state: borrowing LedgerState, _ folder: Folder, _ name: some Collection<UInt8>,
        _ status: FileStatus
    ) -> Sight? {
        guard let id = state.tree.child(of: folder.place, named: name) else { return nil }
        let node = state.tree[id]
        guard node.stamp == status.stamp, node.mode == status.mode else { return nil }
        switch (node.kind, status.kind) {
        case (.file, .file): return .file(id)
        case (.directory, .directory): return .directory(id)
        default: return nil
        }
    }

    /// Asks the disk for a name and takes what it says into the ledger; within the ledger's lock.
    func absorb(
        _ state: inout LedgerState, _ folder: Folder, _ name: some Collection<UInt8>
    ) throws(SystemError) -> Sight {
        let known = state.tree.child(of: folder.place, named: name)
        guard let status = try statusIfThere(folder.descriptor, name) else {
            if let known { live.makeStale(state.drop(known)) }
            return .nothing
        }
        let isServed = Export.isServed(Array(name)) && !isShadowed(state, folder.place, name)
        switch status.kind {
        case .file where isServed:
            if let known, state.tree[known].kind == .file {
                absorb(&state, known, status)
                return .file(known)
            }
            if let known { live.makeStale(state.drop(known)) }
            return .file(state.addFile(status, named: name, in: folder.place, ver: 0))
        case .directory where isServed:
            if let known, state.tree[known].kind == .directory {
                state.updateDirectory(known, status)
                return .directory(known)
            }
            if let known { live.makeStale(state.drop(known)) }
            return .directory(state.addDirectory(status, named: name, in: folder.place))
        case .mounted where isServed && known.map { hasContents(state, $0) } == true:
            // Hidden for as long as it is mounted, and no deletion.
            throw .covered
        default:
            if let known { live.makeStale(state.drop(known)) }
            return .unserved(status.kind)
        }
    }

    /// Takes in what the disk says of a known file, unless sessions are changing it right now.
    func absorb(_ state: inout LedgerState, _ id: NodeID, _ status: FileStatus) {
        let node = state.tree[id]
        if node.stamp == status.stamp, node.mode == status.mode { return }
        if live.isDirty(node.fid, status.identity) { return }
        live.makeStale(node.fid, unless: status.identity)
        let isAttributeOnly =
            node.stamp.hasSameContents(as: status.stamp) && node.mode != status.mode
        state.update(id, status, raisingVersion: !isAttributeOnly)
        // The next mark of the file names it: what sessions write then is no content of this one.
        live.sawVersion(node.fid, state.tree[id].ver)
    }

    // MARK: Folders

    /// Opens a directory and finds its place in the ledger, learning of directories on the way.
    ///
    /// - Parameter creating: Makes what is missing, durably.
    func openFolder(_ path: TreePath, creating: Bool = false) throws(RequestError) -> Folder {
        try checkAvailable(path)
        let relative = relative(path)
        do throws(SystemError) {
            let descriptor = try openBeneath(relative, O_RDONLY | dfs_o_directory)
            let inode = try descriptor.status().stamp.inode
            let components = relative.split(separator: TreePath.slash)
            let place = ledger.state.withLock { $0.tree.find(components) }
            if let place {
                let folder = Folder(descriptor: descriptor, place: place, inode: inode)
                if ledger.state.withLock({ isCurrent(folder, $0) }) {
                    if creating { try flushFresh(above: place) }
                    return folder
                }
            }
        } catch {
            guard error.code == ENOENT, creating else { throw refusal(error, path) }
        }
        return try descend(to: path, creating: creating)
    }

    /// A directory that was made, by its place, and a number that tells it from the next one there.
    private typealias Making = (place: NodeID, number: Int64)

    /// More new directories than this are brought to the disk by one call for the whole file
    /// system.
    private static let foldersSyncedSingly = 8

    /// Opens a directory name by name; each is looked at and, if wanted, made.
    private func descend(to path: TreePath, creating: Bool) throws(RequestError) -> Folder {
        var folder = try topFolder(path)
        var made: [(folder: Folder, making: Making)] = []
        for name in relative(path).split(separator: TreePath.slash) {
            let next = try naming(path) { () throws(SystemError) in
                try step(from: folder, into: name, creating: creating)
            }
            if let making = next.making { made.append((folder, making)) }
            folder = next.folder
        }
        try naming(path) { () throws(SystemError) in
            if made.count > Export.foldersSyncedSingly { try flushTogether(made) }
            if creating { try flushFresh(above: folder.place) }
        }
        return folder
    }

    /// Brings the names of new directories to the disk by one call for each of their file systems.
    ///
    /// - Parameter made: Each with the directory that holds its name.
    private func flushTogether(_ made: [(folder: Folder, making: Making)]) throws(SystemError) {
        var flushed: Set<UInt64> = []
        for (folder, making) in made {
            let device = try folder.descriptor.status().identity.device
            if !flushed.contains(device) {
                let code = dfs_sync_all(folder.descriptor.number)
                // Each by itself, then.
                if code == -EOPNOTSUPP { continue }
                try SystemError.check(code)
                flushed.insert(device)
            }
            forget(making)
        }
    }

    /// Notes that the disk has the name of a new directory, unless the place is another's by now.
    private func forget(_ making: Making) {
        fresh.withLock { fresh in
            if fresh[making.place] == making.number { fresh[making.place] = nil }
        }
    }

    /// Brings the names of new directories to the disk: a place and all above it.
    ///
    /// Whoever stores a file in them needs it, not only who made them: what is answered is durable,
    /// and somebody else's flush may not have ended yet.
    private func flushFresh(above place: NodeID) throws(SystemError) {
        if fresh.withLock({ $0.isEmpty }) { return }
        let places = ledger.state.withLock { state in
            state.tree.contains(place) ? state.tree.places(above: place) : []
        }
        for place in places {
            guard let number = fresh.withLock({ $0[place] }) else { continue }
            try flushName(of: place)
            forget((place, number))
        }
    }

    /// How often the directory that holds a name is looked for, while renames get between.
    private static let searches = 4

    /// Brings the name of a directory to the disk, wherever it has it now.
    private func flushName(of place: NodeID) throws(SystemError) {
        for _ in 0..<Export.searches {
            let parent = ledger.state.withLock { state -> NodeID? in
                guard state.tree.contains(place), state.tree[place].kind == .directory else {
                    return nil
                }
                return state.tree[place].parent
            }
            // Whoever removed it has brought that to the disk.
            guard let parent else { return }
            if let folder = try open(parent) { return try flush(folder) }
        }
        // Another program moves it about; the ledger learns of that in a moment.
        throw SystemError(EAGAIN)
    }

    /// Opens a directory of the ledger; nil where the disk has another or none there.
    func open(_ place: NodeID) throws(SystemError) -> Folder? {
        let known = ledger.state.withLock { state -> (path: [UInt8], inode: UInt64)? in
            guard state.tree.contains(place), state.tree[place].kind == .directory else {
                return nil
            }
            let path = Array(state.tree.components(of: place).joined(separator: [TreePath.slash]))
            return (path, state.tree[place].stamp.inode)
        }
        guard let known else { return nil }
        do throws(SystemError) {
            let descriptor = try openBeneath(known.path, O_RDONLY | dfs_o_directory)
            let status = try descriptor.status()
            if place == LedgerTree.top {
                ledger.state.withLock { $0.updateDirectory(place, status) }
            } else if status.stamp.inode != known.inode {
                return nil
            }
            return Folder(descriptor: descriptor, place: place, inode: status.stamp.inode)
        } catch {
            // Gone meanwhile: its own directory tells so.
            if [ENOENT, ENOTDIR, ELOOP].contains(error.code) { return nil }
            throw error
        }
    }

    /// The top of the export.
    func topFolder(_ path: TreePath) throws(RequestError) -> Folder {
        try naming(path) { () throws(SystemError) in
            let descriptor = try openBeneath([], O_RDONLY | dfs_o_directory)
            let status = try descriptor.status()
            ledger.state.withLock { state in
                let known = state.tree[LedgerTree.top]
                if known.stamp.inode != status.stamp.inode {
                    state.updateDirectory(LedgerTree.top, status)
                }
            }
            return Folder(
                descriptor: descriptor, place: LedgerTree.top, inode: status.stamp.inode)
        }
    }

    private func step(
        from folder: Folder, into name: ArraySlice<UInt8>, creating: Bool
    ) throws(SystemError) -> (folder: Folder, making: Making?) {
        let making = creating ? try makeFolder(named: name, in: folder) : nil
        if let making { found.add(making.place) }
        let descriptor = try Export.open(name, in: folder.descriptor, O_RDONLY | dfs_o_directory)
        let inode = try descriptor.status().stamp.inode
        guard case .directory(let place) = try look(in: folder, named: name) else {
            throw SystemError(ENOENT)
        }
        return (Folder(descriptor: descriptor, place: place, inode: inode), making)
    }

    /// Makes a directory, and notes in the same step that the disk may not have its name yet.
    ///
    /// - Returns: Nil where there was something already.
    private func makeFolder(
        named name: ArraySlice<UInt8>, in folder: Folder
    ) throws(SystemError) -> Making? {
        try ledger.state.withLock { (state) throws(SystemError) in
            guard isCurrent(folder, state) else { throw SystemError(ENOENT) }
            let code = withName(name) {
                dfs_make_directory(folder.descriptor.number, $0, 0o755)
            }
            if code == -EEXIST { return nil }
            try SystemError.check(code)
            guard case .directory(let place) = try absorb(&state, folder, name) else {
                return nil
            }
            let number = makings.add(1, ordering: .relaxed).newValue
            fresh.withLock { $0[place] = number }
            return (place, number)
        }
    }

    /// Opens the directory that holds a path.
    ///
    /// - Throws: `denied` for a mount point, which is no entry of its export.
    func openParent(of path: TreePath, creating: Bool = false) throws(RequestError) -> Folder {
        guard path != mount, let parent = path.parent else {
            throw RequestError(.denied, path: path, "a mounted export stands here and stays")
        }
        return try openFolder(parent, creating: creating)
    }

    /// Waits until the disk has what is told of a place.
    func waitUntilDurable(_ id: NodeID) throws(RequestError) {
        let sequence: Int64? = ledger.state.withLock { state in
            guard state.tree.contains(id), state.tree[id].isUncommitted else { return nil }
            return state.sequence
        }
        if let sequence { try ledger.waitUntilDurable(sequence) }
    }
}
