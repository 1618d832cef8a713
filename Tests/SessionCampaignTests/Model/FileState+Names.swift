// What gives the name to another file or to none, and what a restart leaves.
extension FileState {
    func storing(_ count: Int, _ operation: FileOperation) -> [FileState] {
        let old = file(named)
        switch operation.answer {
        case .absent: return old == nil && operation.ifVersion != nil ? [self] : []
        case .conflict: return conflicting(old, operation)
        case .size(let size) where size != count: return []
        case .size, .none: break
        default: return []
        }
        if let wanted = operation.ifVersion, wanted != old?.ver { return [] }
        let file = File(
            maker: operation.id, content: FileContent(writer: operation.id, count: count),
            fid: old?.fid, ver: (old?.ver ?? 0) + 1)
        return naming(file).agreeing(operation.told, on: file).map(\.pruned)
    }

    func removing(_ operation: FileOperation) -> [FileState] {
        guard let file = file(named) else { return [] }
        let next = forgetting(file.fid).naming(nil).pruned
        return [operation.answer == .none(.kill) ? next.losing(file) : next]
    }

    /// Moves the file between its name and the one beside it, where nothing is replaced.
    func moving(_ operation: FileOperation) -> [FileState] {
        if operation.action == .putAside {
            guard let named, aside == nil else { return [] }
            return [naming(nil).puttingAside(named)]
        }
        guard let file = file(aside), named == nil else { return [] }
        return [naming(file).puttingAside(nil)]
    }

    /// Ends all sessions, and counts what they changed.
    ///
    /// A change that had begun when the server was killed may be counted although nothing of it
    /// was made. A file that nobody was told of may be found anew, in version 0. If the name was
    /// another file's, whose removal was not answered either, it may be found as the next version
    /// of that one: as a file that another program has put in its place.
    func restarting() -> [FileState] {
        var states = [unbinding { _ in true }.pruned.losing(nil)]
        for file in states[0].files {
            var vers = file.uncounted.isEmpty ? [file.ver, file.ver + 1] : [file.ver + 1]
            if file.fid == nil, !vers.contains(0) { vers.append(0) }
            states = states.flatMap { state in
                var found = vers.map { state.setting(file.found(as: file.fid, $0)) }
                if file.fid == nil, let lost, file.maker == named {
                    let next = state.setting(file.found(as: lost.fid, lost.ver + 1))
                    found.append(next.remembering(lost.fid))
                }
                return found
            }
        }
        return states
    }
}

extension FileState.File {
    /// The same file as a new start of the server finds it.
    func found(as fid: Int64?, _ ver: Int64) -> Self {
        var file = self
        (file.fid, file.ver, file.uncounted) = (fid, ver, [])
        return file
    }
}
