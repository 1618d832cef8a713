/// Whether the operations on one file can have happened one after the other (linearizability).
///
/// The search of Wing and Gong, with Lowe's memory of what was tried: an operation may be next if
/// none that is still to come was answered before it was asked for. An operation that got no answer
/// may be left out, or come as late as its last moment allows.
///
/// - Source: Herlihy and Wing 1990; Wing and Gong 1993; Lowe 2017, "Testing for linearizability".
struct HistoryCheck {
    /// What the search came to.
    enum Verdict: Equatable {
        /// An order was found.
        case linearizable
        /// There is none; the sentences say how far the best attempt came.
        case violation(String)
        /// The search was given up after that many states, which says nothing of the history.
        case unknown(states: Int)
    }

    private struct Position: Hashable {
        var done: [UInt64]
        var state: FileState
    }

    /// An operation with what the search asks of it all the time.
    private struct Entry {
        let operation: FileOperation
        let invoked: Int
        let returned: Int
        let isCertain: Bool
        /// Whether it leaves nothing behind that depends on its moment.
        let isTimeless: Bool
        /// Whether nobody read a word of it: it may have happened, but no reader needs it.
        let isUnseen: Bool
    }

    /// By the time at which they were asked for.
    private let entries: [Entry]
    private let stateLimit: Int
    private var visited: Set<Position> = []
    private var order: [Int] = []
    private var longest: [Int] = []
    private var certainLeft: Int

    /// Takes the operations on one file in any order.
    ///
    /// - Parameter stateLimit: How many states are looked at before the search is given up.
    init(_ operations: [FileOperation], stateLimit: Int = 8_000_000) {
        let seen = Set(operations.flatMap { $0.answer.content?.pieces.map(\.writer) ?? [] })
        entries = HistoryCheck.prepared(operations).sorted { $0.invoked < $1.invoked }
            .map { operation in
                Entry(
                    operation: operation, invoked: operation.invoked,
                    returned: operation.returned, isCertain: operation.isCertain,
                    isTimeless: operation.isObservation
                        || operation.isPlainOpening && !operation.isRacing,
                    isUnseen: !seen.contains(operation.id))
            }
        self.stateLimit = stateLimit
        certainLeft = entries.count(where: \.isCertain)
    }

    /// Leaves out what nobody can tell, and notes what is promised less of.
    private static func prepared(_ operations: [FileOperation]) -> [FileOperation] {
        let replacements = operations.filter(\.isReplacement)
        let steps = operations.flatMap(\.steps)
        return steps.filter { $0.isCertain || $0.hasEffect }.flatMap { operation in
            var operation = operation
            let racing = replacements.filter(operation.overlaps)
            operation.isRacing = !racing.isEmpty
            operation.isMoving = racing.contains(where: \.isRenaming)
            return operation.foundFirst
        }
    }

    /// How many states were looked at.
    var states: Int { visited.count }

    /// Searches for an order in which every answer is right.
    mutating func run(from state: FileState = FileState()) -> Verdict {
        let start = Position(
            done: Array(repeating: 0, count: entries.count / 64 + 1), state: state)
        if search(start, latestCall: .min) { return .linearizable }
        if visited.count >= stateLimit { return .unknown(states: visited.count) }
        return .violation(account(from: state))
    }

    /// Tries everything that can come next; what was tried before with the same outcome is not
    /// tried again.
    ///
    /// - Parameter latestCall: When the latest operation so far was asked for; what can have
    ///   happened only before that happened before it, or never.
    private mutating func search(_ position: Position, latestCall: Int) -> Bool {
        if certainLeft == 0 { return true }
        guard visited.count < stateLimit, visited.insert(position).inserted else { return false }
        if order.count > longest.count { longest = order }
        let candidates = candidates(position, latestCall)
        for index in candidates {
            guard let state = free(index, position, latestCall) else { continue }
            return step(index, state, position, latestCall)
        }
        for index in candidates {
            let entry = entries[index]
            for state in position.state.after(entry.operation) {
                // Without an answer and never read, it makes a difference by the file's size alone.
                if !entry.isCertain, entry.isUnseen, state.hasSizes(of: position.state) { continue }
                if step(index, state, position, latestCall) { return true }
            }
        }
        return false
    }

    private mutating func step(
        _ index: Int, _ state: FileState, _ position: Position, _ latestCall: Int
    ) -> Bool {
        let certain = entries[index].isCertain ? 1 : 0
        var next = Position(done: position.done, state: state)
        next.done[index / 64] |= 1 << UInt64(index % 64)
        certainLeft -= certain
        order.append(index)
        if search(next, latestCall: max(latestCall, entries[index].invoked)) { return true }
        order.removeLast()
        certainLeft += certain
        return false
    }

    /// What may come next, the earliest answer first: that is most often the right guess.
    private func candidates(_ position: Position, _ latestCall: Int) -> [Int] {
        var found: [Int] = []
        var end = Int.max
        for (index, entry) in entries.enumerated() {
            if entry.invoked > end { break }
            if isDone(index, position) || entry.returned < latestCall { continue }
            if entry.isCertain { end = min(end, entry.returned) }
            found.append(index)
        }
        return found.filter { entries[$0].invoked <= end }
            .sorted { entries[$0].returned < entries[$1].returned }
    }

    private func isDone(_ index: Int, _ position: Position) -> Bool {
        position.done[index / 64] >> UInt64(index % 64) & 1 == 1
    }

    /// The state after an operation that others can not tell the moment of, if it is right now and
    /// shuts nothing out by coming now: then every order that has it later has it now as well.
    private func free(_ index: Int, _ position: Position, _ latestCall: Int) -> FileState? {
        let entry = entries[index]
        guard entry.isTimeless, let state = position.state.after(entry.operation).first else {
            return nil
        }
        // The first one that tells an identity leaves that behind.
        if entry.operation.isObservation, state != position.state { return nil }
        let shutsOut = entries.indices.contains { other in
            !entries[other].isCertain && entries[other].returned >= latestCall
                && entries[other].returned < entry.invoked && !isDone(other, position)
        }
        return shutsOut ? nil : state
    }

    /// The longest order that was found, and what could not come after it.
    private func account(from start: FileState) -> String {
        let left = entries.indices.filter { !longest.contains($0) }
        return """
            no order of these operations gives these answers
            in order, as far as it went:
            \(longest.map { "  \(entries[$0].operation)" }.joined(separator: "\n"))
            and then none of these:
            \(left.map { "  \(entries[$0].operation)" }.joined(separator: "\n"))
            """
    }
}
