import Testing

/// Hand-written histories, good and bad, and many that are right because of how they were made.
@Suite struct `The history checker` {
    private static func verdict(_ history: [FileOperation]) -> HistoryCheck.Verdict {
        var check = HistoryCheck(history)
        return check.run()
    }

    private static func isViolation(_ history: [FileOperation]) -> Bool {
        if case .violation = verdict(history) { true } else { false }
    }

    @Test func `takes operations one after the other`() {
        let history = History()
            .add(0..<1, .open(session: 1), .size(0))
            .add(2..<3, .write(session: 1, offset: 0, count: 4), .size(4), id: 2)
            .add(4..<5, .read(session: 1, offset: 0, count: 9), .words([(2, 0, 4)], isEnd: true))
            .add(6..<7, .append(session: 1, count: 2), .size(6), id: 4)
            .add(8..<9, .truncate(session: 1, size: 5), .size(5))
            .add(10..<11, .fetch(offset: 3, count: 1), .words([(2, 3, 1)], size: 5))
            .add(12..<13, .fetch(offset: 4, count: 8), .words([(4, 0, 1)], isEnd: true, size: 5))
            .add(14..<15, .stat(session: 1), .size(5))
            .add(16..<17, .sync(session: 1), .done)
            .add(18..<19, .look, .size(5))

        #expect(Self.verdict(history.operations) == .linearizable)
    }

    @Test func `takes either order of writes at the same time, but the same for all readers`() {
        let writes = History().opened()
            .add(10..<19, .write(session: 1, offset: 0, count: 4), .size(4), id: 2)
            .add(11..<18, .write(session: 2, offset: 2, count: 4), .size(6), id: 3)
        let first = FileOperation.Answer.words([(2, 0, 2), (3, 0, 4)])
        let second = FileOperation.Answer.words([(2, 0, 4), (3, 2, 2)])
        func reads(_ one: FileOperation.Answer, _ other: FileOperation.Answer) -> [FileOperation] {
            writes.add(20..<22, .read(session: 1, offset: 0, count: 6), one.atEnd)
                .add(21..<23, .read(session: 2, offset: 0, count: 6), other.atEnd).operations
        }

        #expect(Self.verdict(reads(first, first)) == .linearizable)
        #expect(Self.isViolation(reads(second, first)))
        #expect(Self.isViolation(reads(first, second)))
    }

    @Test func `finds a read that is older than an answered write`() {
        let history = History().opened()
            .add(10..<11, .write(session: 1, offset: 0, count: 4), .size(4), id: 2)
            .add(12..<13, .write(session: 1, offset: 0, count: 4), .size(4), id: 3)
        let old = history.add(14..<15, .read(session: 2, offset: 0, count: 4), .whole(2, 4))
        let new = history.add(14..<15, .read(session: 2, offset: 0, count: 4), .whole(3, 4))

        #expect(Self.isViolation(old.operations))
        #expect(Self.verdict(new.operations) == .linearizable)
    }

    @Test func `finds two reads that see a write come and go`() {
        let history = History().opened()
            .add(10..<11, .write(session: 1, offset: 0, count: 4), .size(4), id: 2)
            .add(12..<30, .write(session: 1, offset: 0, count: 4), .size(4), id: 3)
            .add(14..<15, .read(session: 2, offset: 0, count: 4), .whole(3, 4))
        let back = history.add(16..<17, .fetch(offset: 0, count: 4), .whole(2, 4, size: 4))
        let same = history.add(16..<17, .fetch(offset: 0, count: 4), .whole(3, 4, size: 4))

        #expect(Self.isViolation(back.operations))
        #expect(Self.verdict(same.operations) == .linearizable)
    }

    @Test func `finds a read that saw half of a write`() {
        let history = History().opened()
            .add(10..<11, .write(session: 1, offset: 0, count: 4), .size(4), id: 2)
            .add(12..<20, .write(session: 1, offset: 0, count: 4), .size(4), id: 3)
            .add(
                13..<19, .read(session: 2, offset: 0, count: 4),
                .words([(3, 0, 2), (2, 2, 2)], isEnd: true))

        #expect(Self.isViolation(history.operations))
    }

    @Test func `finds an answered write that is gone after a kill`() {
        let history = History().opened()
            .add(10..<11, .write(session: 1, offset: 0, count: 4), .size(4), id: 2)
            .add(20..<21, .open(session: 3), .size(0))

        #expect(Self.isViolation(history.operations))
    }

    @Test func `finds appends that lie over each other, or stand there twice`() {
        let history = History().opened()
            .add(10..<20, .append(session: 1, count: 2), .size(2), id: 2)
        let over = history.add(11..<19, .append(session: 2, count: 2), .size(2), id: 3)
        let after = history.add(11..<19, .append(session: 2, count: 2), .size(4), id: 3)
        let twice = history.add(
            21..<22, .fetch(offset: 0, count: 9),
            .words([(2, 0, 2), (2, 0, 2)], isEnd: true, size: 4))

        #expect(Self.isViolation(over.operations))
        #expect(Self.verdict(after.operations) == .linearizable)
        #expect(Self.isViolation(twice.operations))
    }

    @Test func `finds a read that knows what is written only later`() {
        let history = History().opened()
            .add(10..<11, .read(session: 2, offset: 0, count: 4), .whole(2, 4))
            .add(12..<13, .write(session: 1, offset: 0, count: 4), .size(4), id: 2)

        #expect(Self.isViolation(history.operations))
    }

    @Test func `finds bytes of another file and bytes that were refused`() {
        let history = History().opened()
            .add(10..<11, .read(session: 2, offset: 0, count: 4), .whole(99, 4))

        #expect(Self.isViolation(history.operations))
    }

    @Test func `says how far it came`() {
        let history = History().opened()
            .add(10..<11, .write(session: 1, offset: 0, count: 4), .size(4), id: 2)
            .add(12..<13, .read(session: 2, offset: 0, count: 4), .whole(99, 4))

        guard case .violation(let account) = Self.verdict(history.operations) else {
            return #expect(Bool(false), "no violation")
        }
        #expect(account.contains("#2 write(session: 1, offset: 0, count: 4): size 4"))
        #expect(account.hasSuffix("none of these:\n  " + "\(history.operations[3])"))
    }

    @Test func `gives up where there are too many states, and says so`() {
        var history = History().opened()
        for id in UInt32(2)...12 {
            history = history.add(
                10..<99, .write(session: 1, offset: Int(id), count: 4), .done, id: id)
        }
        history = history.add(100..<101, .look, .size(99))

        var check = HistoryCheck(history.operations, stateLimit: 500)

        #expect(check.run() == .unknown(states: 500))
    }
}
