import Testing

@Suite struct `The history checker, where answers are lost or files replaced` {
    private static func verdict(_ history: History) -> HistoryCheck.Verdict {
        var check = HistoryCheck(history.operations)
        return check.run()
    }

    private static func isViolation(_ history: History) -> Bool {
        if case .violation = verdict(history) { true } else { false }
    }

    @Test(arguments: [nil, 12, 16])
    func `lets an operation without an answer happen at any later time or never`(time: Int?) {
        var history = History().opened()
            .add(10..<Int.max, .write(session: 1, offset: 0, count: 4), .none(.connection), id: 2)
        for start in [12, 14, 16, 18] {
            let isThere = time.map { start >= $0 } ?? false
            history = history.add(
                start..<(start + 1), .fetch(offset: 0, count: 4),
                isThere ? .whole(2, 4, size: 4) : .words([], isEnd: true, size: 0))
        }

        #expect(Self.verdict(history) == .linearizable)
    }

    @Test func `knows its last moment`() {
        let lost = History().opened()
            .add(10..<15, .write(session: 1, offset: 0, count: 4), .none(.connection), id: 2)
        let empty = FileOperation.Answer.words([], isEnd: true, size: 0)

        let before = lost.add(11..<17, .fetch(offset: 0, count: 4), empty)
            .add(18..<19, .fetch(offset: 0, count: 4), .whole(2, 4, size: 4))
        let after = lost.add(16..<17, .fetch(offset: 0, count: 4), empty)
            .add(18..<19, .fetch(offset: 0, count: 4), .whole(2, 4, size: 4))

        #expect(Self.verdict(before) == .linearizable)
        #expect(Self.isViolation(after))
    }

    @Test func `lets it happen once and not twice`() {
        let history = History().opened()
            .add(10..<Int.max, .append(session: 1, count: 2), .none(.connection), id: 2)
            .add(12..<13, .truncate(session: 2, size: 2), .size(2))
        let once = history.add(
            14..<15, .fetch(offset: 0, count: 9),
            .words([(0, 0, 2), (2, 0, 2)], isEnd: true, size: 4))
        let twice = history.add(
            14..<15, .fetch(offset: 0, count: 9),
            .words([(2, 0, 2), (2, 0, 2)], isEnd: true, size: 4))

        #expect(Self.verdict(once) == .linearizable)
        #expect(Self.isViolation(twice))
    }

    @Test func `lets a killed server stop between two pages, and nowhere else`() {
        let page = FileState.pageWords
        func history(_ loss: FileOperation.Loss, _ count: Int) -> History {
            History().opened()
                .add(
                    10..<12, .write(session: 1, offset: page / 2, count: 2 * page), .none(loss),
                    id: 2
                )
                .add(20..<21, .open(session: 3), .size(page / 2 + count))
                .add(
                    22..<23, .read(session: 3, offset: page / 2, count: 3 * page),
                    .whole(2, count))
        }

        for count in [page / 2, page / 2 + page, 2 * page] {
            #expect(Self.verdict(history(.kill, count)) == .linearizable)
        }
        #expect(Self.isViolation(history(.kill, page)))
        #expect(Self.isViolation(history(.kill, page / 2 + 1)))
        #expect(Self.isViolation(history(.connection, page / 2)))
    }

    @Test func `lets sessions of a replaced file read what it had, and nothing else`() {
        let history = History().opened()
            .add(10..<11, .write(session: 1, offset: 0, count: 4), .size(4), id: 2)
            .add(12..<13, .store(count: 3), .size(3), id: 3)
            .add(14..<15, .read(session: 1, offset: 0, count: 9), .whole(2, 4))
            .add(16..<17, .stat(session: 1), .size(4))
            .add(18..<19, .write(session: 1, offset: 0, count: 4), .stale, id: 4)
            .add(20..<21, .sync(session: 2), .stale)
            .add(22..<23, .open(session: 3), .size(3))
            .add(24..<25, .read(session: 3, offset: 0, count: 9), .whole(3, 3))
        let refused = history.add(26..<27, .read(session: 1, offset: 0, count: 4), .whole(4, 4))
        let taken = history.add(26..<27, .append(session: 2, count: 1), .size(5), id: 5)
        let mixed = history.add(
            26..<27, .fetch(offset: 0, count: 9),
            .words([(3, 0, 3), (2, 3, 1)], isEnd: true, size: 4))

        #expect(Self.verdict(history) == .linearizable)
        #expect(Self.isViolation(refused))
        #expect(Self.isViolation(taken))
        #expect(Self.isViolation(mixed))
    }

    @Test func `lets no refused change leave a trace, also in a file that just loses its name`() {
        let history = History().opened()
            .add(10..<11, .write(session: 1, offset: 0, count: 4), .size(4), id: 2)
            .add(12..<20, .store(count: 3), .size(3), id: 3)
        let race = history.add(13..<21, .truncate(session: 1, size: 2), .stale)
            .add(22..<23, .read(session: 2, offset: 0, count: 4), .whole(2, 2))
        let later = history.add(21..<22, .truncate(session: 1, size: 2), .stale)
            .add(23..<24, .read(session: 2, offset: 0, count: 4), .whole(2, 2))

        let before = history.add(13..<21, .truncate(session: 1, size: 2), .stale)
            .add(14..<15, .fetch(offset: 0, count: 4), .whole(2, 2, size: 2))

        let made = history.add(13..<21, .truncate(session: 1, size: 2), .size(2))
            .add(22..<23, .read(session: 2, offset: 0, count: 4), .whole(2, 2))

        #expect(Self.isViolation(race))
        #expect(Self.isViolation(before))
        #expect(Self.isViolation(later))
        #expect(Self.verdict(made) == .linearizable)
    }

    @Test func `finds an OPEN and a STAT that tell a size from the middle of a change`() {
        let history = History().opened()
            .add(10..<19, .write(session: 1, offset: 0, count: 8), .size(8), id: 2)
        let before = history.add(11..<12, .look, .size(0)).add(13..<14, .open(session: 3), .size(8))

        #expect(Self.verdict(before) == .linearizable)
        #expect(Self.isViolation(history.add(11..<12, .look, .size(4))))
        #expect(Self.isViolation(history.add(11..<12, .open(session: 3), .size(4))))
        #expect(Self.isViolation(history.add(11..<12, .stat(session: 2), .size(4))))
        #expect(Self.isViolation(before.add(15..<16, .look, .size(0))))
    }

    @Test func `finds a session that is told to be stale while its file has the name`() {
        let history = History().opened()
            .add(10..<11, .write(session: 1, offset: 0, count: 4), .stale, id: 2)

        #expect(Self.isViolation(history))
    }

    @Test func `finds a write that was acknowledged after its file had lost the name`() {
        let history = History().opened()
            .add(10..<30, .store(count: 3), .size(3), id: 2)
            .add(11..<12, .fetch(offset: 0, count: 9), .whole(2, 3, size: 3))
            .add(13..<14, .write(session: 1, offset: 0, count: 4), .size(4), id: 3)

        #expect(Self.isViolation(history))
    }
}
