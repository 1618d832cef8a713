import TestCluster
import Testing

/// Histories that are right because a simple file of bytes made them, one operation at a time.
@Suite struct `A history that was made in some order` {
    @Test(arguments: 0..<60)
    func `is found to have one`(seed: UInt64) {
        let history = MadeHistory(seed: seed).operations

        var check = HistoryCheck(history)
        let verdict = check.run()

        #expect(verdict == .linearizable)
        #expect(check.states < 20_000)
    }

    @Test func `is found to have none when one read is changed`() {
        var found = 0
        for seed in UInt64(0)..<10 {
            var history = MadeHistory(seed: seed).operations
            let reads = history.indices.filter {
                if case .content(let content, _, _) = history[$0].answer {
                    content.count > 0
                } else {
                    false
                }
            }
            guard let last = reads.last,
                case .content(let content, let isEnd, let size) = history[last].answer
            else { continue }
            let other = content.writing(FileContent(writer: 999_999, count: 1), at: 0)
            history[last].answer = .content(other, isEnd: isEnd, size: size)

            var check = HistoryCheck(history)

            if case .violation = check.run() { found += 1 }
        }
        #expect(found >= 7)
    }
}

/// Clients that overlap in time, on files of plain bytes.
private struct MadeHistory {
    private(set) var operations: [FileOperation] = []
    private var random: SeededRandom
    private var files: [[UInt8]] = [[]]
    private var bound: [Int] = []
    private static let clients = 5

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        // Each client asks again soon after its answer; the moment of the effect lies between.
        var free = Array(repeating: 0, count: MadeHistory.clients)
        for session in 0..<MadeHistory.clients {
            bound.append(0)
            free[session] = 2 * MadeHistory.clients
            add(session, .open(session: session), .size(0), 2 * session..<(2 * session + 1))
        }
        var calls: [(moment: Int, client: Int, time: Range<Int>)] = []
        for _ in 0..<60 {
            let client = Int.random(in: 0..<free.count, using: &random)
            let start = free[client] + Int.random(in: 1...20, using: &random)
            let end = start + Int.random(in: 1...60, using: &random)
            calls.append((Int.random(in: start..<end, using: &random), client, start..<end))
            free[client] = end
        }
        for call in calls.sorted(by: { $0.moment < $1.moment }) { happen(call.client, call.time) }
    }

    private mutating func add(
        _ client: Int, _ action: FileOperation.Action, _ answer: FileOperation.Answer,
        _ time: Range<Int>
    ) {
        let isLost = Int.random(in: 0..<12, using: &random) == 0 && operations.count > 10
        operations.append(
            FileOperation(
                id: UInt32(operations.count + 1), client: client, action: action,
                answer: isLost ? .none(.connection) : answer, invoked: time.lowerBound,
                returned: isLost ? .max : time.upperBound))
    }

    private mutating func happen(_ client: Int, _ time: Range<Int>) {
        let id = UInt32(operations.count + 1)
        let offset = Int.random(in: 0..<12, using: &random)
        let count = Int.random(in: 1..<8, using: &random)
        let isCurrent = bound[client] == files.count - 1
        let data = FileContent.bytes(writer: id, count: count)
        func size(_ bytes: [UInt8]) -> FileOperation.Answer {
            .size(bytes.count / FileContent.wordBytes)
        }
        switch Int.random(in: 0..<20, using: &random) {
        case 0:
            files.append(data)
            add(client, .store(count: count), size(data), time)
        case 1..<8:
            if isCurrent {
                files[files.count - 1].write(data, at: offset * FileContent.wordBytes)
            }
            add(
                client, .write(session: client, offset: offset, count: count),
                isCurrent ? size(files[bound[client]]) : .stale, time)
        case 8..<10:
            let end = files[files.count - 1].count
            if isCurrent { files[files.count - 1].write(data, at: end) }
            add(
                client, .append(session: client, count: count),
                isCurrent ? size(files[bound[client]]) : .stale, time)
        case 10:
            if isCurrent { files[files.count - 1].truncate(to: offset * FileContent.wordBytes) }
            add(
                client, .truncate(session: client, size: offset),
                isCurrent ? .size(offset) : .stale, time)
        case 11..<17:
            let answer = seen(files[bound[client]], offset, count, isFetch: false)
            add(client, .read(session: client, offset: offset, count: count), answer, time)
        default:
            let answer = seen(files[files.count - 1], offset, count, isFetch: true)
            add(client, .fetch(offset: offset, count: count), answer, time)
        }
    }

    private func seen(
        _ bytes: [UInt8], _ offset: Int, _ count: Int, isFetch: Bool
    ) -> FileOperation.Answer {
        let all = bytes.count / FileContent.wordBytes
        let range = min(offset, all)..<min(offset + count, all)
        let part = bytes[
            (range.lowerBound * FileContent.wordBytes)..<(range.upperBound * FileContent.wordBytes)]
        return .content(
            FileContent(Array(part)), isEnd: offset + range.count >= all,
            size: isFetch ? all : nil)
    }
}
