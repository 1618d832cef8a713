import CPosix
import DFSProtocol
import FileService

// Files under which the disk failed: what they hold is not known until somebody has read all of it.
extension Export {
    /// Notes that a write or a sync of an open file failed: what it holds now is another version.
    ///
    /// The mark is on disk when this returns, unless the ledger can not be written either; then the
    /// writing mark stays and says at least that the file changed.
    func noteUnverified(_ file: LiveFile, _ descriptor: Descriptor?) {
        file.noteFailure()
        let change = file.newestChange
        let sequence = ledger.state.withLock { state -> Int64? in
            guard isCurrent(file, state) else { return nil }
            // What a failing disk does not tell now is seen by whoever asks next.
            if let status = try? descriptor?.status() {
                state.update(file.place, status, raisingVersion: true)
            } else {
                state.raiseVersion(file.place)
            }
            state.setUnverified(file.place, true)
            file.count(upTo: change, as: state.tree[file.place].ver)
            return state.sequence
        }
        guard let sequence else { return }
        do throws(RequestError) {
            try ledger.waitUntilDurable(sequence)
            file.noteKept(upTo: change)
        } catch {
            // The request fails in any case, and the mark stays with the version of now.
        }
        file.settleMark()
    }

    /// Notes that a change was refused with nothing of it made: the version stands.
    ///
    /// Some file systems set the time of a write that they refuse. A time that is new since just
    /// before the change, with the size as it was, is taken for that and for nothing else.
    func dropChange(
        _ change: Int64, of file: LiveFile, _ descriptor: Descriptor, _ before: FileStatus
    ) {
        ledger.state.withLock { state in
            // What a failing disk does not tell now is seen by whoever asks next.
            guard isCurrent(file, state), state.tree[file.place].stamp == before.stamp,
                let status = try? descriptor.status(), status.stamp.size == before.stamp.size
            else { return }
            state.update(file.place, status, raisingVersion: false)
        }
        // Nobody waits for it, and it is to be told all the same.
        ledger.wake()
        file.dropChange(change)
    }

    /// Notes that a name may not be on the disk as it was told: the file behind it is in doubt.
    func noteUnverified(_ place: NodeID) {
        let sequence = ledger.state.withLock { state -> Int64? in
            guard state.tree.contains(place), state.tree[place].kind == .file else { return nil }
            state.setUnverified(place, true)
            return state.sequence
        }
        // The request fails in any case; a ledger that can not be written has nothing to add.
        if let sequence { try? ledger.waitUntilDurable(sequence) }
    }

    /// Notes that a whole file was read from the disk, and takes the mark back.
    ///
    /// What memory showed before and what the disk has can differ: it counts as a version.
    ///
    /// - Parameters:
    ///   - failures: How many there were when reading began; after another one nothing is taken
    ///     back.
    ///   - change: The newest change then.
    /// - Returns: What is told of the file now; nil where it had no mark.
    func noteVerified(
        _ file: LiveFile, _ descriptor: Descriptor, _ failures: Int64, _ change: Int64,
        _ path: TreePath
    ) throws(RequestError) -> FileFacts? {
        let isMarked = try naming(path) { () throws(SystemError) in
            try ledger.state.withLock { (state) throws(SystemError) in
                guard isCurrent(file, state), state.tree[file.place].isUnverified,
                    file.failures == failures
                else { return false }
                state.setUnverified(file.place, false)
                state.update(file.place, try descriptor.status(), raisingVersion: true)
                file.sawVersion(state.tree[file.place].ver)
                return true
            }
        }
        if isMarked { try waitUntilDurable(file.place) }
        file.noteVerified(failures: failures)
        guard isMarked else { return nil }
        // Only a marked file was synced before it was read.
        file.noteSynced(upTo: change)
        file.settleMark()
        return try naming(path) { () throws(SystemError) in try facts(of: file, descriptor) }
    }

    /// Changes mode or time of an open file; no version is counted.
    func setAttributes(
        of file: LiveFile, _ descriptor: Descriptor, _ path: TreePath, mode: FileMode?,
        mtime: WallTime?
    ) throws(RequestError) -> FileFacts {
        try naming(path) { () throws(SystemError) in
            try ledger.state.withLock { (state) throws(SystemError) in
                if isCurrent(file, state) { absorb(&state, file.place, try descriptor.status()) }
                if let mode {
                    try SystemError.check(dfs_set_mode(descriptor.number, mode_t(mode.bits)))
                }
                if let mtime {
                    try SystemError.check(
                        dfs_set_mtime(descriptor.number, mtime.seconds, mtime.nanoseconds))
                }
                let status = try descriptor.status()
                if isCurrent(file, state) {
                    state.update(file.place, status, raisingVersion: false)
                }
            }
        }
        do throws(SystemError) { try descriptor.sync() } catch {
            // It may be a write of before that failed, and the kernel tells of it once.
            noteUnverified(file, descriptor)
            throw refusal(error, path)
        }
        try waitUntilDurable(file.place)
        return try naming(path) { () throws(SystemError) in try facts(of: file, descriptor) }
    }
}
