/// What a file server promises of one name: the model that histories are held against.
///
/// A session follows the file that it opened. STORE puts another file under the name: older
/// sessions read what theirs had, and everything else of theirs is `stale-file`.
///
/// - Source: Protocol.md, "Sessions".
struct FileState: Hashable, Sendable {
    private struct Version: Hashable, Sendable {
        /// The STORE that made it; 0 for what was there first.
        var storer: UInt32
        var content: FileContent
    }

    private struct Binding: Hashable, Sendable {
        var session: Int
        var storer: UInt32
    }

    /// Every file that had the name, by the operation that made it.
    private var versions: [Version]
    private var current: UInt32 = 0
    /// What each session follows, ordered by session.
    private var bound: [Binding] = []

    /// A file that no operation of the history made.
    init(_ content: FileContent = FileContent()) {
        versions = [Version(storer: 0, content: content)]
    }

    /// Words of a page: a kernel that is told to kill a writer stops between two of them.
    static let pageWords = 4096 / FileContent.wordBytes

    /// Does one operation at this moment.
    ///
    /// - Returns: What can be afterwards: nothing where the answer is not what it should be, and
    ///   several states where only part of a write may have been made.
    func after(_ operation: FileOperation) -> [FileState] {
        switch operation.action {
        case .open(let session): opening(session, operation)
        case .read(let session, let offset, let count):
            reading(content(of: session), offset, count, operation)
        case .fetch(let offset, let count):
            reading(content(of: current), offset, count, operation)
        case .stat(let session): looking(content(of: session), operation)
        case .look: looking(content(of: current), operation)
        case .sync(let session): changing(session, operation) { [$0] }
        case .truncate(let session, let size):
            changing(session, operation) { [$0.truncated(to: size)] }
        case .write(let session, let offset, let count):
            changing(session, operation) {
                FileState.writing(operation, count, at: offset, over: $0)
            }
        case .append(let session, let count):
            changing(session, operation) {
                FileState.writing(operation, count, at: $0.count, over: $0)
            }
        case .store(let count): storing(count, operation)
        }
    }

    /// Whether the same files are there, each as long as in another state.
    func hasSizes(of other: FileState) -> Bool {
        current == other.current && versions.count == other.versions.count
            && zip(versions, other.versions).allSatisfy { $0.content.count == $1.content.count }
    }

    private func content(of storer: UInt32?) -> FileContent? {
        versions.first { $0.storer == storer }?.content
    }

    private func storer(of session: Int) -> UInt32? {
        bound.first { $0.session == session }?.storer
    }

    private func content(of session: Int) -> FileContent? { content(of: storer(of: session)) }

    private func opening(_ session: Int, _ operation: FileOperation) -> [FileState] {
        if case .size(let size) = operation.answer, size != content(of: current)?.count {
            return []
        }
        var next = self
        let place = bound.firstIndex { $0.session > session } ?? bound.count
        next.bound.insert(Binding(session: session, storer: current), at: place)
        return [next]
    }

    private func reading(
        _ content: FileContent?, _ offset: Int, _ count: Int, _ operation: FileOperation
    ) -> [FileState] {
        guard let content, case .content(let seen, let isEnd, let size) = operation.answer else {
            return []
        }
        let end = min(offset + count, max(offset, content.count))
        let isRight =
            seen == content.part(offset..<end) && isEnd == (end >= content.count)
            && (size == nil || size == content.count)
        return isRight ? [self] : []
    }

    private func looking(_ content: FileContent?, _ operation: FileOperation) -> [FileState] {
        operation.answer == content.map { .size($0.count) } ? [self] : []
    }

    private func storing(_ count: Int, _ operation: FileOperation) -> [FileState] {
        if case .size(let size) = operation.answer, size != count { return [] }
        var next = self
        next.current = operation.id
        let place = versions.firstIndex { $0.storer > operation.id } ?? versions.count
        let content = FileContent(writer: operation.id, count: count)
        next.versions.insert(Version(storer: operation.id, content: content), at: place)
        return [next]
    }

    /// Changes the file that has the name through a session that follows it.
    private func changing(
        _ session: Int, _ operation: FileOperation,
        _ change: (FileContent) -> [FileContent]
    ) -> [FileState] {
        guard let storer = storer(of: session),
            let place = versions.firstIndex(where: { $0.storer == storer })
        else { return [] }
        let changed = change(versions[place].content).map { setting(place, $0) }
        if operation.answer == .stale {
            // Refused before anything was written: nothing of it is anywhere.
            return storer == current ? [] : [self]
        }
        guard storer == current else {
            return operation.isCertain || !operation.isRacing ? [] : changed
        }
        guard case .size(let size) = operation.answer else { return changed }
        return changed.filter { $0.versions[place].content.count == size }
    }

    private func setting(_ place: Int, _ content: FileContent) -> FileState {
        var next = self
        next.versions[place].content = content
        return next
    }

    /// What a write leaves; a server that was killed may have got as far as any page's end.
    private static func writing(
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
}
