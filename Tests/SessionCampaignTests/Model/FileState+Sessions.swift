// Operations through sessions, and what begins and ends these.
extension FileState {
    /// Binds a session to the file that has the name, or to the one that its OPEN has made.
    func opening(
        _ session: Int, _ making: FileOperation.Making, _ lock: FileOperation.Lock?,
        _ operation: FileOperation
    ) -> [FileState] {
        switch operation.answer {
        case .absent:
            let mayMake = making != .nothing && operation.ifVersion == nil
            return named == nil && !mayMake ? [self] : []
        case .exists: return named != nil && making == .new ? [self] : []
        case .conflict: return conflicting(file(named), operation)
        case .size(let size):
            let found = binding(session)?.maker ?? named
            guard let file = file(making == .new ? operation.id : found), hasName(file),
                operation.ifVersion.map({ $0 == file.ver }) ?? true, size == file.content.count,
                lock.map({ isFree($0, file) }) ?? true
            else { return [] }
            return binding(Binding(session: session, maker: file.maker, lock: lock))
                .agreeing(operation.told, on: file)
        case .content, .done, .stale, .none: return []
        }
    }

    /// Finds the file that a session will be bound to.
    func finding(_ session: Int) -> [FileState] {
        guard let named, binding(session) == nil else { return [] }
        return [binding(Binding(session: session, maker: named))]
    }

    /// Makes the file of an OPEN, where there is none.
    func making(_ operation: FileOperation) -> [FileState] {
        guard named == nil else { return [] }
        return [naming(File(maker: operation.id, content: FileContent(), ver: 0))]
    }

    /// Whether no session has a lock of a file that keeps another one from having this.
    private func isFree(_ lock: FileOperation.Lock, _ file: File) -> Bool {
        bound.allSatisfy { binding in
            guard let held = binding.lock, binding.maker == file.maker else { return true }
            return held == .shared && lock == .shared
        }
    }

    func conflicting(_ file: File?, _ operation: FileOperation) -> [FileState] {
        guard let file, let wanted = operation.ifVersion, wanted != file.ver else { return [] }
        return agreeing(operation.told, on: file)
    }

    func reading(
        _ file: File?, _ offset: Int, _ count: Int, _ operation: FileOperation
    ) -> [FileState] {
        if operation.answer == .absent, operation.action.session == nil {
            return named == nil ? [self] : []
        }
        guard let file, case .content(let seen, let isEnd, let size) = operation.answer else {
            return []
        }
        let content = file.content
        let end = min(offset + count, max(offset, content.count))
        let isRight =
            seen == content.part(offset..<end) && isEnd == (end >= content.count)
            && (size == nil || size == content.count)
        return isRight ? agreeing(operation.told, on: file) : []
    }

    /// Reads where the last such READ of the session ended.
    func readingOn(_ session: Int, _ count: Int, _ operation: FileOperation) -> [FileState] {
        guard var binding = binding(session), let file = file(binding.maker) else { return [] }
        let start = binding.cursor
        binding.cursor = max(start, min(start + count, file.content.count))
        let next = self.binding(binding)
        guard operation.isCertain else { return [next] }
        return reading(file, start, count, operation).isEmpty ? [] : [next]
    }

    func looking(_ file: File?, _ operation: FileOperation) -> [FileState] {
        switch operation.answer {
        case .absent: return operation.action == .look && named == nil ? [self] : []
        case .size(let size) where size == file?.content.count:
            return agreeing(operation.told, on: file)
        default: return []
        }
    }

    /// Changes the file that has the name through a session that follows it.
    func changing(
        _ session: Int, _ operation: FileOperation, _ change: (FileContent) -> [FileContent]
    ) -> [FileState] {
        guard let file = file(of: session) else { return [] }
        // Refused before anything was written: nothing of it is anywhere.
        if operation.answer == .stale { return hasName(file) ? [] : [self] }
        if operation.answer == .conflict {
            return hasName(file) ? conflicting(file, operation) : []
        }
        let isPossible =
            hasName(file)
            ? operation.ifVersion.map { $0 == file.ver } ?? true
            : !operation.isCertain && operation.isRacing
        guard isPossible else { return [] }
        return change(file.content).compactMap { content in
            if case .size(let size) = operation.answer, size != content.count { return nil }
            var changed = file
            changed.content = content
            if !file.uncounted.contains(session) {
                changed.uncounted.append(session)
                changed.uncounted.sort()
            }
            return setting(changed)
        }
    }

    /// What a write leaves; a server that was killed may have got as far as any page's end.
    static func writing(
        _ operation: FileOperation, _ count: Int, at offset: Int, over content: FileContent
    ) -> [FileContent] {
        var counts = [count]
        if operation.answer == .none(.kill) {
            let firstEnd = (offset / pageWords + 1) * pageWords - offset
            counts += stride(from: firstEnd, to: count, by: pageWords)
        }
        return counts.map { count in
            content.writing(FileContent(writer: operation.id, count: count), at: offset)
        }
    }

    /// Counts what all sessions changed since the last time.
    func syncing(_ session: Int, _ operation: FileOperation) -> [FileState] {
        guard var file = file(of: session) else { return [] }
        if operation.answer == .stale { return hasName(file) ? [] : [self] }
        guard hasName(file) else { return [] }
        file.count()
        return setting(file).agreeing(operation.told, on: file)
    }

    /// Ends a session, and counts what it changed, if no SYNC did.
    ///
    /// - Returns: What is then, the file in it, and whether changes were lost with its name.
    private func ended(_ binding: Binding) -> (state: FileState, file: File, isLost: Bool)? {
        guard var file = file(binding.maker) else { return nil }
        let next = unbinding { $0.session == binding.session }
        guard file.uncounted.contains(binding.session) else { return (next, file, false) }
        guard hasName(file) else { return (next, file, true) }
        file.count()
        return (next.setting(file), file, false)
    }

    func closing(_ session: Int, _ operation: FileOperation) -> [FileState] {
        guard let binding = binding(session), let end = ended(binding) else { return [] }
        switch operation.answer {
        case .none: return [end.state.pruned]
        case .stale: return end.isLost ? [end.state.pruned] : []
        case .size(let size):
            guard !end.isLost, size == end.file.content.count else { return [] }
            return end.state.agreeing(operation.told, on: end.file).map(\.pruned)
        default: return []
        }
    }

    /// Ends a session of which nobody will tell that it ended, where that makes a difference.
    func ending(_ session: Int) -> [FileState] {
        guard let binding = binding(session), let end = ended(binding) else { return [] }
        let counts = file(binding.maker) != end.file
        return binding.lock != nil || counts ? [end.state.pruned] : []
    }

    /// Ends a session, unless that was over: a repeated KILL is answered as the first one.
    func killing(_ session: Int) -> [FileState] {
        guard let binding = binding(session), let end = ended(binding) else { return [self] }
        return [end.state.pruned]
    }
}
