import CPosix
import DFSProtocol
import FileService

extension Export {
    /// Removes a file or a directory, durably; removing what is not there succeeds.
    func remove(_ path: TreePath, recursive: Bool, fid: Int64?) throws(RequestError) {
        // As in `rename`: also what a refusal has shown is to be told.
        defer { ledger.wake() }
        try checkAvailable(path)
        try checkWritable(path)
        let folder: Folder
        do throws(RequestError) {
            folder = try openParent(of: path)
        } catch {
            if error.code == .notFound { return }
            throw error
        }
        if coversMount(path) {
            throw RequestError(.denied, path: path, "another export is mounted below it and stays")
        }
        let kind = try naming(path) { () throws(SystemError) in
            try kindIfThere(path.name, in: folder)
        }
        switch kind {
        case nil: break
        case .symlink, .other, .mounted: throw DiskRefusal.unserved(path)
        // What was meant is a file, and it is not there any more.
        case .directory where fid != nil: break
        case .directory where recursive: return try discard(path, in: folder)
        case .file, .directory:
            try naming(path) { () throws(SystemError) in
                try unlink(path.name, isDirectory: kind == .directory, in: folder, fid: fid)
            }
        }
        try naming(path) { () throws(SystemError) in try folder.descriptor.sync() }
        try settleRemoval()
    }

    /// Whether another export stands at or below a path.
    private func coversMount(_ path: TreePath) -> Bool {
        let relative = Array(relative(path))
        return shadows.contains { $0 == relative || $0.starts(with: relative + [TreePath.slash]) }
    }

    private func kindIfThere(
        _ name: ArraySlice<UInt8>, in folder: Folder
    ) throws(SystemError) -> FileStatus.Kind? {
        do throws(SystemError) {
            let kind = try FileStatus(in: folder.descriptor.number, named: name).kind
            if kind == .mounted { throw SystemError.mounted }
            return kind
        } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
    }

    private func unlink(
        _ name: ArraySlice<UInt8>, isDirectory: Bool, in folder: Folder, fid: Int64?
    ) throws(SystemError) {
        try ledger.state.withLock { (state) throws(SystemError) in
            guard isCurrent(folder, state) else { throw SystemError(ENOENT) }
            if let fid {
                // What was meant is not there any more, and stays so.
                guard case .file(let id) = try absorb(&state, folder, name),
                    state.tree[id].fid == fid
                else { return }
            }
            let code = withName(name) {
                dfs_unlink(folder.descriptor.number, $0, isDirectory ? 1 : 0)
            }
            if code != -ENOENT { try SystemError.check(code) }
            if let known = state.tree.child(of: folder.place, named: name) {
                live.makeStale(state.drop(known))
            }
        }
    }

    /// Waits for the ledger after a removal, which a full disk must not prevent.
    private func settleRemoval() throws(RequestError) {
        let sequence = ledger.state.withLock { $0.sequence }
        do throws(RequestError) { try ledger.waitUntilDurable(sequence) } catch {
            // The name is gone for good; the next scan tells the ledger what this could not.
            if error.code != .noSpace { throw error }
        }
    }

    // MARK: Directories with contents

    /// Takes a directory out of the tree in one step, then removes what was in it.
    private func discard(_ path: TreePath, in folder: Folder) throws(RequestError) {
        guard let state else { throw DiskRefusal.of(SystemError(EROFS), path) }
        if hasMounts(below: path) {
            throw RequestError(
                .denied, path: path,
                "another file system is mounted below it and would go with it; unmount that first")
        }
        let trash = try naming(path) { () throws(SystemError) in
            try Export.open(TrashCan.name, in: state, O_RDONLY | dfs_o_directory)
        }
        let name = temporaryName()
        try naming(path) { () throws(SystemError) in
            try ledger.state.withLock { (state) throws(SystemError) in
                guard isCurrent(folder, state) else { throw SystemError(ENOENT) }
                var code = withName(path.name) { from in
                    withName(name) {
                        dfs_rename(folder.descriptor.number, from, trash.number, $0, 0)
                    }
                }
                // Not from every part of a file system, such as a subvolume, a directory can be
                // moved: then only one that is empty can be removed.
                if code == -EXDEV {
                    code = withName(path.name) { dfs_unlink(folder.descriptor.number, $0, 1) }
                }
                if code != -ENOENT { try SystemError.check(code) }
                if let known = state.tree.child(of: folder.place, named: path.name) {
                    live.makeStale(state.drop(known))
                }
            }
            try folder.descriptor.sync()
            try trash.sync()
        }
        try settleRemoval()
        trashCan.empty()
    }

    // MARK: Renaming

    /// Renames within the export, durably; see `FileStore.rename`.
    func rename(
        _ from: TreePath, to target: TreePath, replacing: Bool, fid: Int64?
    ) throws(RequestError) {
        try checkWritable(from)
        // A refusal may have shown the ledger what nobody else tells it of, and whoever ordered
        // this is answered only once all that is known was told.
        defer { ledger.wake() }
        do throws(RequestError) {
            try carryOut(from, to: target, replacing: replacing, fid: fid)
        } catch {
            guard let fid, error.code == .exists || error.code == .notFound,
                try hasArrived(fid, at: target)
            else { throw error }
        }
    }

    /// Whether an earlier attempt has brought a file to where it was to go; durably from here on.
    private func hasArrived(_ fid: Int64, at target: TreePath) throws(RequestError) -> Bool {
        let folder: Folder
        do throws(RequestError) { folder = try openParent(of: target) } catch {
            if error.code == .notFound { return false }
            throw error
        }
        let place = try naming(target) { () throws(SystemError) -> NodeID? in
            try ledger.state.withLock { (state) throws(SystemError) in
                guard isCurrent(folder, state),
                    case .file(let id) = try absorb(&state, folder, target.name),
                    state.tree[id].fid == fid
                else { return nil }
                return id
            }
        }
        guard let place else { return false }
        try naming(target) { () throws(SystemError) in try folder.descriptor.sync() }
        try waitUntilDurable(place)
        return true
    }

    private func carryOut(
        _ from: TreePath, to target: TreePath, replacing: Bool, fid: Int64?
    ) throws(RequestError) {
        try checkAvailable(from)
        let source = try openParent(of: from)
        if from == target {
            let kind = try naming(from) { () throws(SystemError) in
                try kindIfThere(from.name, in: source)
            }
            if kind == nil { throw refusal(SystemError(ENOENT), from) }
            return
        }
        if target.isWithin(from) {
            throw RequestError(
                .badArgument, path: target, "a directory can not be moved into itself")
        }
        if coversMount(from) || coversMount(target) {
            throw RequestError(.denied, path: from, "another export is mounted there and stays")
        }
        try checkServed(from, in: source)
        let destination = try openParent(of: target, creating: true)
        try checkServed(target, in: destination)
        // A move into a directory that the ledger on disk has not would be lost with a kill.
        let isKept = ledger.state.withLock { state in
            destination.place == LedgerTree.top
                || state.tree.contains(destination.place)
                    && state.tree[destination.place].isKept
        }
        if !isKept { try waitUntilDurable(destination.place) }
        let (place, slot) = try naming(target) { () throws(SystemError) in
            try ledger.state.withLock { (state) throws(SystemError) in
                try move(
                    &state, (source, from.name), (destination, target.name),
                    replacing: replacing, fid: fid)
            }
        }
        try naming(target) { () throws(SystemError) in
            try destination.descriptor.sync()
            try source.descriptor.sync()
        }
        try waitUntilDurable(place)
        // Where something failed on the way the mark stays for the next start.
        moves.clear(slot)
    }

    /// Refuses to move or replace what is not served.
    private func checkServed(_ path: TreePath, in folder: Folder) throws(RequestError) {
        let kind = try naming(path) { () throws(SystemError) in
            try kindIfThere(path.name, in: folder)
        }
        if kind == .symlink || kind == .other { throw DiskRefusal.unserved(path) }
    }

    /// Marks the move, renames and moves in the ledger's memory, in the ledger's lock.
    ///
    /// - Returns: Its place, and the mark to be cleared when the ledger has committed.
    private func move(
        _ state: inout LedgerState, _ from: (folder: Folder, name: ArraySlice<UInt8>),
        _ target: (folder: Folder, name: ArraySlice<UInt8>), replacing: Bool, fid: Int64?
    ) throws(SystemError) -> (NodeID, slot: Int) {
        guard isCurrent(from.folder, state), isCurrent(target.folder, state) else {
            throw SystemError(ENOENT)
        }
        let place: NodeID
        let isDirectory: Bool
        switch try absorb(&state, from.folder, from.name) {
        case .file(let id): (place, isDirectory) = (id, false)
        case .directory(let id): (place, isDirectory) = (id, true)
        case .nothing: throw SystemError(ENOENT)
        case .unserved: throw SystemError(EPERM)
        }
        let replaced: NodeID?
        switch try absorb(&state, target.folder, target.name) {
        case .file(let id), .directory(let id): replaced = id
        case .nothing: replaced = nil
        case .unserved: throw SystemError(EPERM)
        }
        if let replaced, !replacing || state.tree[replaced].fid == fid {
            throw SystemError(EEXIST)
        }
        // What is meant has gone; another file has its name.
        if let fid, state.tree[place].fid != fid { throw SystemError(ENOENT) }
        let isSameFile = replaced.map {
            state.tree[$0].stamp.inode == state.tree[place].stamp.inode
        }
        let slot = try moves.mark(
            MovingMarks.Mark(
                place: place, fid: state.tree[place].fid, inode: state.tree[place].stamp.inode,
                parent: target.folder.place, parentInode: target.folder.inode,
                name: Array(target.name)))
        let code = withName(from.name) { name in
            // Two names of one file: rename would leave both.
            if isSameFile == true { return dfs_unlink(from.folder.descriptor.number, name, 0) }
            return withName(target.name) {
                Export.rename(
                    from.folder.descriptor.number, name, target.folder.descriptor.number, $0,
                    replacing: replacing)
            }
        }
        if code < 0 { moves.clear(slot) }
        // A directory with contents as target: some file systems say that it exists.
        try SystemError.check(replacing && code == -EEXIST ? -ENOTEMPTY : code)
        let status = try FileStatus(
            in: target.folder.descriptor.number, named: target.name)
        if let replaced { live.makeStale(state.drop(replaced)) }
        let isDirty = !isDirectory && live.isDirty(state.tree[place].fid, status.identity)
        state.move(
            place, to: target.folder.place, named: target.name, isDirty ? nil : status)
        return (place, slot)
    }
}

extension Export {
    /// Renames; without `replacing` also not over what another program puts there at this moment.
    ///
    /// - Returns: 0 or a negative errno.
    private static func rename(
        _ source: Int32, _ name: UnsafePointer<CChar>, _ destination: Int32,
        _ newName: UnsafePointer<CChar>, replacing: Bool
    ) -> Int32 {
        if replacing { return dfs_rename(source, name, destination, newName, 0) }
        let code = dfs_rename_new(source, name, destination, newName)
        // A file system that has neither the flag nor links (to directories): the ledger's lock
        // keeps our own requests away, and nothing keeps other programs away there.
        return code == -EPERM ? dfs_rename(source, name, destination, newName, 0) : code
    }

    /// Takes a rename by somebody else into the ledger, if that is what the disk shows now.
    func followMove(
        _ from: (folder: Folder, name: [UInt8]), _ target: (folder: Folder, name: [UInt8])
    ) throws(SystemError) {
        try ledger.state.withLock { (state) throws(SystemError) in
            guard isCurrent(from.folder, state), isCurrent(target.folder, state),
                let place = state.tree.child(of: from.folder.place, named: from.name),
                !isShadowed(state, target.folder.place, target.name),
                // Never into itself, whatever the order of events was.
                !state.tree.isWithin(target.folder.place, place)
            else { return }
            let node = state.tree[place]
            let status = try FileStatus(in: target.folder.descriptor.number, named: target.name)
            // Usually nothing is left there to look at; what can not be seen was not left.
            let remains = try? FileStatus(in: from.folder.descriptor.number, named: from.name)
            guard status.stamp.inode == node.stamp.inode,
                remains?.stamp.inode != node.stamp.inode,
                (status.kind == .directory) == (node.kind == .directory)
            else { return }
            let replaced = state.tree.child(of: target.folder.place, named: target.name)
            if replaced == place { return }
            if let replaced { live.makeStale(state.drop(replaced)) }
            let isKnown =
                node.kind == .directory || node.stamp.hasSameContents(as: status.stamp)
            let isDirty = live.isDirty(node.fid, status.identity)
            state.move(
                place, to: target.folder.place, named: target.name,
                isKnown && !isDirty ? status : nil)
            if node.kind == .file { absorb(&state, place, status) }
        }
    }
}
