import Testing

@Suite struct `The history checker, on locks, cursors and ends of sessions` {
    private static func verdict(_ history: History) -> HistoryCheck.Verdict {
        var check = HistoryCheck(history.operations)
        return check.run()
    }

    private static func isViolation(_ history: History) -> Bool {
        if case .violation = verdict(history) { true } else { false }
    }

    private func open(
        _ history: History, _ session: Int, _ lock: FileOperation.Lock, at time: Range<Int>
    ) -> History {
        history.add(time, .open(session: session, lock: lock), .size(0))
    }

    @Test func `finds a lock that two have`() {
        let exclusive = open(History(), 1, .exclusive, at: 0..<1)
        let shared = open(History(), 1, .shared, at: 0..<1)

        #expect(Self.isViolation(open(exclusive, 2, .exclusive, at: 2..<3)))
        #expect(Self.isViolation(open(exclusive, 2, .shared, at: 2..<3)))
        #expect(Self.isViolation(open(shared, 2, .exclusive, at: 2..<3)))
        #expect(Self.verdict(open(shared, 2, .shared, at: 2..<3)) == .linearizable)
        #expect(Self.isViolation(open(exclusive, 2, .exclusive, at: 0..<2)))
    }

    @Test func `lets the next one have a lock when its session has ended, however it did`() {
        let held = open(History(), 1, .exclusive, at: 0..<1)
        func next(_ history: History) -> HistoryCheck.Verdict {
            Self.verdict(open(history, 2, .exclusive, at: 4..<9))
        }

        #expect(next(held.add(2..<3, .close(session: 1), .size(0))) == .linearizable)
        #expect(next(held.add(5..<12, .close(session: 1), .size(0))) == .linearizable)
        #expect(next(held.add(2..<3, .kill(session: 1), .done)) == .linearizable)
        #expect(next(held.add(2..<Int.max, .end(session: 1), .none(.connection))) == .linearizable)
        #expect(next(held.add(2..<3, .restart, .done)) == .linearizable)
        #expect(next(held.add(2..<3, .remove, .done)) != .linearizable)
        #expect(next(held.add(10..<12, .close(session: 1), .size(0))) != .linearizable)
        #expect(
            next(held.add(10..<Int.max, .end(session: 1), .none(.connection))) != .linearizable)
        #expect(
            next(held.add(2..<3, .stat(session: 1), .size(0))) != .linearizable,
            "a session that was taken over has its lock")
    }

    @Test func `finds a write of the old holder that lands after the next one has the lock`() {
        let handed = open(
            open(History(), 1, .exclusive, at: 0..<1)
                .add(2..<Int.max, .end(session: 1), .none(.connection)), 2, .exclusive, at: 4..<5)
        let lost = handed.add(
            1..<Int.max, .write(session: 1, offset: 0, count: 2), .none(.connection), id: 9)
        let late = lost.add(6..<7, .read(session: 2, offset: 0, count: 9), .words([], isEnd: true))
            .add(8..<9, .read(session: 2, offset: 0, count: 9), .whole(9, 2))
        let early = lost.add(6..<7, .read(session: 2, offset: 0, count: 9), .whole(9, 2))

        #expect(Self.isViolation(late))
        // The file's size was told as 0 when the lock was granted, so it was not there before.
        #expect(Self.isViolation(early))
        #expect(
            Self.verdict(
                lost.add(6..<7, .read(session: 2, offset: 0, count: 9), .words([], isEnd: true)))
                == .linearizable)
    }

    @Test func `gives a file that replaced another one locks of its own`() {
        let held = open(History(), 1, .exclusive, at: 0..<1)
            .add(2..<3, .store(count: 1), .size(1), id: 9)
            .add(4..<5, .open(session: 2, lock: .exclusive), .size(1))

        #expect(Self.verdict(held) == .linearizable)
        #expect(
            Self.isViolation(held.add(6..<7, .open(session: 3, lock: .shared), .size(1))))
    }

    @Test func `lets no session be used that has ended`() {
        for end in [FileOperation.Action.kill(session: 1), .close(session: 1), .restart] {
            let ended = History().opened()
                .add(10..<11, end, end == .close(session: 1) ? .size(0) : .done)
            #expect(Self.verdict(ended) == .linearizable)
            #expect(
                Self.isViolation(
                    ended.add(12..<13, .write(session: 1, offset: 0, count: 1), .size(1), id: 9)))
            #expect(
                Self.isViolation(
                    ended.add(
                        12..<13, .read(session: 1, offset: 0, count: 1), .words([], isEnd: true))))
        }
    }

    @Test func `moves a cursor by what was read, each session its own`() {
        let history = History().opened()
            .add(10..<11, .write(session: 1, offset: 0, count: 6), .size(6), id: 9)
            .add(12..<13, .readOn(session: 1, count: 4), .words([(9, 0, 4)]))
            .add(14..<15, .read(session: 1, offset: 0, count: 1), .words([(9, 0, 1)]))
            .add(16..<17, .readOn(session: 2, count: 1), .words([(9, 0, 1)]))
            .add(18..<19, .readOn(session: 1, count: 4), .words([(9, 4, 2)], isEnd: true))
            .add(20..<21, .append(session: 2, count: 1), .size(7), id: 10)
            .add(22..<23, .readOn(session: 1, count: 4), .words([(10, 0, 1)], isEnd: true))

        #expect(Self.verdict(history) == .linearizable)
    }

    @Test func `finds a cursor that skips, that stands still, and that two reads share`() {
        let history = History().opened()
            .add(10..<11, .write(session: 1, offset: 0, count: 6), .size(6), id: 9)
            .add(12..<13, .readOn(session: 1, count: 2), .words([(9, 0, 2)]))
        func next(_ start: Int) -> History {
            history.add(14..<15, .readOn(session: 1, count: 2), .words([(9, start, 2)]))
        }

        #expect(Self.verdict(next(2)) == .linearizable)
        #expect(Self.isViolation(next(0)))
        #expect(Self.isViolation(next(3)))
        let shared = history.add(14..<18, .readOn(session: 1, count: 2), .words([(9, 2, 2)]))
            .add(15..<19, .readOn(session: 1, count: 2), .words([(9, 2, 2)]))
        let apart = history.add(
            14..<18, .readOn(session: 1, count: 2), .words([(9, 4, 2)], isEnd: true)
        ).add(15..<19, .readOn(session: 1, count: 2), .words([(9, 2, 2)]))
        #expect(Self.isViolation(shared))
        #expect(Self.verdict(apart) == .linearizable)
    }

    @Test func `lets a cursor READ without an answer move the cursor once or not`() {
        let history = History().opened()
            .add(10..<11, .write(session: 1, offset: 0, count: 6), .size(6), id: 9)
            .add(12..<20, .readOn(session: 1, count: 2), .none(.connection))
        func next(_ start: Int) -> History {
            history.add(21..<22, .readOn(session: 1, count: 2), .words([(9, start, 2)]))
        }

        #expect(Self.verdict(next(0)) == .linearizable)
        #expect(Self.verdict(next(2)) == .linearizable)
        #expect(Self.isViolation(next(1)))
        #expect(Self.isViolation(next(4)))
    }
}
