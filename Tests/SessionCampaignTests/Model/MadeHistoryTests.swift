import TestCluster
import Testing

/// Histories that are right because a simple file of bytes made them, one operation at a time.
@Suite struct `A history that was made in some order` {
    @Test(arguments: 0..<60)
    func `is found to have one`(seed: UInt64) {
        let history = MadeHistory(seed: seed).operations

        var check = HistoryCheck(history)
        let verdict = check.run(from: .nothing)

        #expect(verdict == .linearizable)
        #expect(check.states < 20_000)
    }

    /// What can be wrong in an answer.
    enum Fault: CaseIterable, Sendable {
        case read, cursor, version, identity, size, condition

        /// The operation with a wrong answer; nil where this can not be wrong in it.
        func put(into operation: FileOperation) -> FileOperation? {
            var operation = operation
            switch (self, operation.action, operation.answer) {
            case (.read, .read, .content(let content, let isEnd, let size)),
                (.read, .fetch, .content(let content, let isEnd, let size)),
                (.cursor, .readOn, .content(let content, let isEnd, let size)):
                guard content.count > 0 else { return nil }
                let other = content.writing(FileContent(writer: 999_999, count: 1), at: 0)
                operation.answer = .content(other, isEnd: isEnd, size: size)
            case (.version, _, _):
                guard let ver = operation.told.ver else { return nil }
                operation.told.ver = ver + 1
            case (.identity, _, _):
                // Not found where nobody else is told of the file.
                guard operation.told.fid != nil else { return nil }
                operation.told.fid = 1
            case (.size, _, .size(let size)): operation.answer = .size(size + 1)
            case (.condition, .store, .size), (.condition, .write, .size):
                guard let wanted = operation.ifVersion else { return nil }
                operation.ifVersion = wanted + 1000
            default: return nil
            }
            return operation
        }
    }

    @Test(arguments: Fault.allCases)
    func `is found to have none when one answer is changed`(fault: Fault) {
        var (found, tried) = (0, 0)
        for seed in UInt64(0)..<10 {
            var history = MadeHistory(seed: seed).operations
            let places = history.indices.filter { fault.put(into: history[$0]) != nil }
            // Near the end, where much is known.
            guard let last = places.last, let wrong = fault.put(into: history[last]) else {
                continue
            }
            history[last] = wrong
            tried += 1

            var check = HistoryCheck(history)

            if case .violation = check.run(from: .nothing) { found += 1 }
        }
        #expect(tried >= 7)
        #expect(found >= tried - 3, "\(found) of \(tried)")
    }
}
