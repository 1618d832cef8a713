import DFSProtocol

/// What file servers have been asked to do and have not finished.
struct OwnerOperations {
    /// What is done by the owners.
    enum Task: Equatable {
        case remove(TreePath, isRecursive: Bool)
        case rename(from: TreePath, to: TreePath, isReplacing: Bool)

        /// The paths that no other change may touch meanwhile.
        var paths: [TreePath] {
            switch self {
            case .remove(let path, _): [path]
            case .rename(let from, let to, _): [from, to]
            }
        }
    }

    struct Operation {
        var number: Int64
        /// Who waits for the outcome; nil once it was told that nobody knows.
        var asker: Asker?
        var task: Task
        /// What the client calls it; nil without `op=`.
        var name: OperationID?
        /// What it is about, as it was when it was asked for.
        var subject: Repetitions.Subject
        /// Servers that have not answered, ordered by number.
        var waiting: [UInt16]
        /// Servers that have done it.
        var done: [UInt16] = []
        /// Servers whose report has taken away what they had in the directory.
        ///
        /// What they have there by now is newer, and DONE is not about it.
        var told: [UInt16] = []
        /// The first refusal.
        var refusal: (server: UInt16, code: ErrorCode)?
        /// Whether an owner was lost or silent, so that nobody knows what it did.
        var isUnknown = false
        /// Whether all servers that have something there were asked.
        var isWhole: Bool
        /// Nil until the owners are asked, and once the time is over.
        ///
        /// An operation with a name goes on without a deadline then, so that a late DONE is heard;
        /// its paths are free meanwhile.
        var deadline: MonotonicTime?
        var isLate = false

        /// Takes a removal for done where reports have told that of every owner still waited for.
        ///
        /// A repeat could not tell what it removed from what has come there since. Of one that is
        /// late others may have made the directory anew, so that reports of it tell nothing.
        ///
        /// - Returns: False where an owner's part is not known.
        fileprivate mutating func takeReportsAsDone() -> Bool {
            guard case .remove = task, !isLate, waiting.allSatisfy(told.contains) else {
                return false
            }
            done += waiting
            waiting = []
            return true
        }
    }

    /// How long an owner may take, in milliseconds.
    static let patienceMilliseconds: Int64 = 5000

    private(set) var running: [Operation] = []
    /// Paths that are busy with work in slices around an operation.
    private var holds: [Int64: [TreePath]] = [:]
    private var lastHold: Int64 = 0
    private var lastNumber: Int64

    /// - Parameter start: Numbers go on behind it, so that a late DONE of an earlier process fits
    ///   nothing.
    init(after start: Int64) { lastNumber = start }

    /// Notes that servers are going to be asked to do something.
    mutating func begin(
        _ task: Task, _ asker: Asker, _ subject: Repetitions.Subject, servers: [UInt16],
        isWhole: Bool
    ) -> Operation {
        lastNumber += 1
        let operation = Operation(
            number: lastNumber, asker: asker, task: task, name: asker.operation, subject: subject,
            waiting: servers.sorted(), isWhole: isWhole)
        running.append(operation)
        return operation
    }

    /// Notes that the servers are asked now.
    mutating func asked(_ number: Int64, at now: MonotonicTime) {
        guard let index = running.firstIndex(where: { $0.number == number }) else { return }
        running[index].deadline = now.advanced(
            milliseconds: OwnerOperations.patienceMilliseconds)
    }

    /// Waits once more for a late operation; false where there is none of that name.
    mutating func renew(_ name: OperationID, at now: MonotonicTime) -> Bool {
        guard let index = running.firstIndex(where: { $0.isLate && $0.name == name }) else {
            return false
        }
        running[index].isLate = false
        asked(running[index].number, at: now)
        return true
    }

    /// Keeps changes away from paths while something is done below them in slices.
    ///
    /// - Returns: The number by which `release` knows it.
    mutating func hold(_ paths: [TreePath]) -> Int64 {
        lastHold += 1
        holds[lastHold] = paths
        return lastHold
    }

    mutating func release(_ number: Int64) { holds[number] = nil }

    /// Whether a change of a path has to wait for an operation above, at or below it.
    func overlaps(_ paths: [TreePath]) -> Bool {
        if running.isEmpty, holds.isEmpty { return false }
        func touches(_ busy: [TreePath]) -> Bool {
            busy.contains { busy in
                paths.contains { $0.isWithin(busy) || busy.isWithin($0) }
            }
        }
        return running.contains { !$0.isLate && touches($0.task.paths) }
            || holds.values.contains(where: touches)
    }

    /// Notes a server's answer.
    ///
    /// - Returns: The operation, if it is over with this.
    /// - Throws: `not-found` where this server was not asked, or took too long.
    mutating func answer(
        _ number: Int64, by server: UInt16, _ code: ErrorCode?
    ) throws(RequestError) -> Operation? {
        guard let index = running.firstIndex(where: { $0.number == number }),
            running[index].deadline != nil || running[index].isLate,
            let place = running[index].waiting.firstIndex(of: server)
        else {
            throw RequestError(
                .notFound, "no such operation is waiting; the next report decides",
                fields: [.init("op", number: number)])
        }
        running[index].waiting.remove(at: place)
        if let code {
            if running[index].refusal == nil { running[index].refusal = (server, code) }
        } else {
            running[index].done.append(server)
        }
        return running[index].waiting.isEmpty ? running.remove(at: index) : nil
    }

    /// Notes that a server's report says of a path that nothing is there any more.
    mutating func tell(_ path: TreePath, isGoneFrom server: UInt16) {
        for index in running.indices
        where running[index].subject.server == 0 && running[index].waiting.contains(server)
            && running[index].task.paths[0].isWithin(path)
            && !running[index].told.contains(server)
        {
            running[index].told.append(server)
        }
    }

    /// Notes that an entry of the catalogue was freed, whatever has its number then.
    mutating func depart(_ node: UInt32) {
        for index in running.indices where running[index].subject.node == node {
            running[index].subject.isGone = true
        }
    }

    /// Takes an operation back that nobody was asked for.
    mutating func withdraw(_ number: Int64) -> Operation? {
        guard let index = running.firstIndex(where: { $0.number == number }) else { return nil }
        return running.remove(at: index)
    }

    /// The operation of a number; nil once it is over.
    func operation(_ number: Int64) -> Operation? { running.first { $0.number == number } }

    /// Gives up on everything that a lost server was asked for.
    mutating func lose(_ server: UInt16) -> [Operation] {
        take { ($0.deadline != nil || $0.isLate) && $0.waiting.contains(server) }
    }

    /// Gives up on everything that took too long; what has a name is still listened for.
    mutating func expire(at now: MonotonicTime) -> [Operation] {
        let over = take { $0.deadline.map { $0 <= now } ?? false }
        for var operation in over where operation.name != nil && operation.isUnknown {
            // Those that have done it are out of the tree with the outcome that is told now.
            operation.done = []
            operation.isUnknown = false
            operation.asker = nil
            operation.deadline = nil
            operation.isLate = true
            running.append(operation)
        }
        return over
    }

    /// Listens no more for a late operation whose name is forgotten, or whose outcome is known.
    mutating func drop(_ name: OperationID) {
        if running.isEmpty { return }
        running.removeAll { $0.isLate && $0.name == name }
    }

    private mutating func take(_ isOver: (Operation) -> Bool) -> [Operation] {
        if running.isEmpty { return [] }
        var over = running.filter(isOver)
        running.removeAll(where: isOver)
        for index in over.indices where !over[index].takeReportsAsDone() {
            over[index].isUnknown = true
        }
        return over
    }

    var nextDeadline: MonotonicTime? { running.lazy.compactMap(\.deadline).min() }
}
