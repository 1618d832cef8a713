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
        var asker: Asker
        var task: Task
        /// Servers that have not answered, ordered by number.
        var waiting: [UInt16]
        /// Servers that have done it.
        var done: [UInt16] = []
        /// The first refusal.
        var refusal: (server: UInt16, code: ErrorCode)?
        /// Whether an owner was lost or silent, so that nobody knows what it did.
        var isUnknown = false
        /// Whether all servers that have something there were asked.
        var isWhole: Bool
        var deadline: MonotonicTime
    }

    /// How long an owner may take, in milliseconds.
    static let patienceMilliseconds: Int64 = 5000

    private(set) var running: [Operation] = []
    private var lastNumber: Int64

    /// - Parameter start: Numbers go on behind it, so that a late DONE of an earlier process fits
    ///   nothing.
    init(after start: Int64) { lastNumber = start }

    /// Notes that servers are asked to do something.
    mutating func begin(
        _ task: Task, _ asker: Asker, servers: [UInt16], isWhole: Bool, at now: MonotonicTime
    ) -> Operation {
        lastNumber += 1
        let operation = Operation(
            number: lastNumber, asker: asker, task: task, waiting: servers.sorted(),
            isWhole: isWhole,
            deadline: now.advanced(milliseconds: OwnerOperations.patienceMilliseconds))
        running.append(operation)
        return operation
    }

    /// Whether a change of a path has to wait for an operation above, at or below it.
    func overlaps(_ paths: [TreePath]) -> Bool {
        running.contains { operation in
            operation.task.paths.contains { busy in
                paths.contains { $0.isWithin(busy) || busy.isWithin($0) }
            }
        }
    }

    /// Notes a server's answer.
    ///
    /// - Returns: The operation, if it is over with this.
    /// - Throws: `not-found` where this server was not asked, or took too long.
    mutating func answer(
        _ number: Int64, by server: UInt16, _ code: ErrorCode?
    ) throws(RequestError) -> Operation? {
        guard let index = running.firstIndex(where: { $0.number == number }),
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

    /// Gives up on everything that a lost server was asked for.
    mutating func lose(_ server: UInt16) -> [Operation] {
        take { $0.waiting.contains(server) }
    }

    /// Gives up on everything that took too long.
    mutating func expire(at now: MonotonicTime) -> [Operation] {
        take { $0.deadline <= now }
    }

    private mutating func take(_ isOver: (Operation) -> Bool) -> [Operation] {
        var over = running.filter(isOver)
        running.removeAll(where: isOver)
        for index in over.indices { over[index].isUnknown = true }
        return over
    }

    var nextDeadline: MonotonicTime? { running.lazy.map(\.deadline).min() }
}
