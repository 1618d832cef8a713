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

    func removing() -> [FileState] {
        guard let file = file(named) else { return [] }
        return [forgetting(file.fid).naming(nil).pruned]
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
    /// was made.
    func restarting() -> [FileState] {
        var states = [unbinding { _ in true }.pruned]
        for file in states[0].files {
            states = states.flatMap { state in
                var counted = file
                counted.ver += 1
                counted.uncounted = []
                let next = state.setting(counted)
                return file.uncounted.isEmpty ? [state, next] : [next]
            }
        }
        return states
    }
}
