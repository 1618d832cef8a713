import DFSProtocol
import NIOCore

/// Which request of a connection may start: untagged ones one after another, tagged ones together.
///
/// A tagged request waits for every earlier untagged one, and for room for its answer; an untagged
/// one waits for everything earlier.
///
/// One that stands answers until it is ended, and nobody waits for it.
/// - Source: Protocol.md, "Tags and order".
struct RequestOrder<Work> {
    /// A request that was read while an earlier one runs.
    struct Waiting {
        let tag: Tag?
        let work: Work
        /// What the request keeps in memory.
        let bytes: Int
    }

    /// A request that runs, and the most bytes of a file that it answers.
    private struct Running {
        let serial: UInt64
        let answer: Int
    }

    private let taggedLimit: Int
    private let waitingLimit: Int
    private let waitingLimitBytes: Int
    /// The untagged request that runs; while it does, nothing else does.
    private var untagged: Running?
    /// The tagged requests that run.
    private var tagged: [Tag: Running] = [:]
    /// The most bytes of files that those that run may answer together.
    private(set) var answerBytes = 0
    /// Those that hold no place any more, as FOLLOW.
    private var standing: [Tag: UInt64] = [:]
    private var waiting = CircularBuffer<Waiting>(initialCapacity: 1)
    private var waitingBytes = 0
    private var lastSerial: UInt64 = 0

    init(limits: Limits) {
        taggedLimit = limits.taggedRequests
        waitingLimit = limits.waitingRequests
        waitingLimitBytes = limits.waitingBytes
    }

    /// Whether nothing runs and nothing waits, apart from what stands.
    var isEmpty: Bool { untagged == nil && tagged.isEmpty && waiting.isEmpty }

    /// Whether another request may be read ahead.
    var hasRoom: Bool { waiting.count < waitingLimit && waitingBytes < waitingLimitBytes }

    /// Whether a request that comes now may start now.
    ///
    /// - Parameter passes: Whether it may pass tagged ones that wait for room for their answers.
    @inline(__always)
    func mayStart(_ tag: Tag?, passes: @autoclosure () -> Bool = false) -> Bool {
        guard untagged == nil else { return false }
        if waiting.isEmpty { return tag == nil ? tagged.isEmpty : tagged.count < taggedLimit }
        guard tag != nil, tagged.count < taggedLimit else { return false }
        return passes() && !waiting.contains { $0.tag == nil }
    }

    /// Whether a tag belongs to a request that runs or waits.
    func isInUse(_ tag: Tag) -> Bool {
        tagged[tag] != nil || standing[tag] != nil || waiting.contains { $0.tag == tag }
    }

    /// Counts a request as running.
    ///
    /// - Parameter answer: The most bytes of a file that it answers.
    mutating func start(_ tag: Tag?, answer: Int = 0) -> UInt64 {
        lastSerial += 1
        let running = Running(serial: lastSerial, answer: answer)
        answerBytes += answer
        if let tag { tagged[tag] = running } else { untagged = running }
        return lastSerial
    }

    /// Puts a request behind those that wait.
    mutating func wait(_ tag: Tag?, _ work: Work, bytes: Int) {
        waiting.append(Waiting(tag: tag, work: work, bytes: bytes))
        waitingBytes += bytes
    }

    /// The first waiting request that may start now; nil for none.
    ///
    /// Tagged ones have no order among them: where one waits for room for its answer, those behind
    /// it that need none go first. So it is never passed by what would take its room.
    /// - Parameters:
    ///   - hasRoom: Whether there is room for the most that a request may answer.
    ///   - needsNone: Whether a request answers nothing that needs room.
    func startable(
        where hasRoom: (Work) -> Bool, orWhere needsNone: (Work) -> Bool
    ) -> CircularBuffer<Waiting>.Index? {
        guard let first = waiting.first, untagged == nil,
            first.tag == nil ? tagged.isEmpty : tagged.count < taggedLimit
        else { return nil }
        if hasRoom(first.work) { return waiting.startIndex }
        guard first.tag != nil else { return nil }
        let index = waiting.firstIndex { $0.tag == nil || needsNone($0.work) }
        return index.flatMap { waiting[$0].tag == nil ? nil : $0 }
    }

    /// Takes a waiting request that is `startable`.
    mutating func take(at index: CircularBuffer<Waiting>.Index) -> Waiting {
        let taken = waiting.remove(at: index)
        waitingBytes -= taken.bytes
        return taken
    }

    /// Whether a request still runs: false once it was finished or cancelled.
    func isRunning(_ tag: Tag?, serial: UInt64) -> Bool {
        guard let tag else { return untagged?.serial == serial }
        return tagged[tag]?.serial == serial || standing[tag] == serial
    }

    /// Counts a request as answered.
    mutating func finish(_ tag: Tag?) {
        guard let tag else {
            answerBytes -= untagged?.answer ?? 0
            return untagged = nil
        }
        if standing.removeValue(forKey: tag) == nil { _ = leave(tag) }
    }

    /// Takes a tagged request out of those that run; nil where it does not.
    private mutating func leave(_ tag: Tag) -> UInt64? {
        guard let running = tagged.removeValue(forKey: tag) else { return nil }
        answerBytes -= running.answer
        return running.serial
    }

    /// Takes a tagged request out; nil serial where it had not started.
    mutating func cancel(_ tag: Tag) -> (found: Bool, serial: UInt64?) {
        if let serial = leave(tag) ?? standing.removeValue(forKey: tag) {
            return (true, serial)
        }
        guard let index = waiting.firstIndex(where: { $0.tag == tag }) else { return (false, nil) }
        waitingBytes -= waiting[index].bytes
        waiting.remove(at: index)
        return (true, nil)
    }

    /// Takes all tagged requests out, those that run and those that wait, in their order.
    mutating func cancelAll() -> [(tag: Tag, serial: UInt64?)] {
        let started = tagged.map { ($0.key, $0.value.serial) } + standing.map { ($0.key, $0.value) }
        let running = started.sorted { $0.1 < $1.1 }.map { ($0.0, Optional($0.1)) }
        let later = waiting.compactMap { entry in entry.tag.map { ($0, UInt64?.none) } }
        tagged = [:]
        answerBytes = untagged?.answer ?? 0
        standing = [:]
        waiting.removeAll()
        waitingBytes = 0
        return running + later
    }
}

// Requests that answer until they are ended.
extension RequestOrder {
    /// Whether any request stands.
    var hasStanding: Bool { !standing.isEmpty }

    /// Whether a request holds no place any more.
    func isStanding(_ tag: Tag?, serial: UInt64) -> Bool {
        tag.map { standing[$0] == serial } ?? false
    }

    /// Lets a running request hold no place from now on.
    mutating func stand(_ tag: Tag, serial: UInt64) {
        guard tagged[tag]?.serial == serial else { return }
        _ = leave(tag)
        standing[tag] = serial
    }

    /// Takes all requests out that stand, in the order in which they began.
    mutating func cancelStanding() -> [(tag: Tag, serial: UInt64)] {
        let all = standing.sorted { $0.value < $1.value }.map { (tag: $0.key, serial: $0.value) }
        standing = [:]
        return all
    }
}

extension RequestOrder {
    /// Whether an untagged request runs or anything waits, which QUIT stands in line behind.
    var hasUntagged: Bool { untagged != nil || !waiting.isEmpty }
}
