import Testing

@Suite struct `The history checker, on identities and versions` {
    private static func verdict(_ history: History) -> HistoryCheck.Verdict {
        var check = HistoryCheck(history.operations)
        return check.run(from: .nothing)
    }

    private static func isViolation(_ history: History) -> Bool {
        if case .violation = verdict(history) { true } else { false }
    }

    /// A file of four words in version 1 with identity 7, and two sessions on it.
    private let opened = History()
        .add(0..<1, .store(count: 4), .size(4), fid: 7, ver: 1, id: 1)
        .add(2..<3, .open(session: 1), .size(4), fid: 7, ver: 1)
        .add(4..<5, .open(session: 2), .size(4), fid: 7, ver: 1)

    @Test func `counts at SYNC, at CLOSE, at STORE, and nowhere else`() {
        let history =
            opened
            .add(10..<11, .write(session: 1, offset: 0, count: 2), .size(4), id: 2)
            .add(12..<13, .look, .size(4), fid: 7, ver: 1)
            .add(14..<15, .sync(session: 2), .done, ver: 2)
            .add(16..<17, .sync(session: 1), .done, ver: 2)
            .add(18..<19, .append(session: 2, count: 2), .size(6), id: 3)
            .add(20..<21, .close(session: 1), .size(6), ver: 2)
            .add(22..<23, .close(session: 2), .size(6), ver: 3)
            .add(24..<25, .store(count: 1), .size(1), fid: 7, ver: 4, id: 4)

        #expect(Self.verdict(history) == .linearizable)
        for other: Int64 in [0, 2, 3, 5] {
            let wrong = opened.add(10..<11, .store(count: 1), .size(1), fid: 7, ver: other, id: 4)
            #expect(Self.isViolation(wrong) == (other != 2))
        }
    }

    @Test func `finds a version that goes back, or comes again with other contents`() {
        let written =
            opened
            .add(10..<11, .write(session: 1, offset: 0, count: 2), .size(4), id: 2)
            .add(12..<13, .sync(session: 1), .done, ver: 2)
            .add(14..<15, .write(session: 1, offset: 0, count: 2), .size(4), id: 3)

        #expect(Self.isViolation(written.add(16..<17, .sync(session: 1), .done, ver: 2)))
        #expect(Self.isViolation(written.add(16..<17, .close(session: 1), .size(4), ver: 2)))
        #expect(Self.isViolation(written.add(16..<17, .look, .size(4), fid: 7, ver: 1)))
        #expect(Self.isViolation(written.add(16..<17, .stat(session: 2), .size(4), ver: 3)))
        #expect(
            Self.verdict(written.add(16..<17, .close(session: 1), .size(4), ver: 3))
                == .linearizable)
    }

    @Test func `finds a version that a kill made come again`() {
        func history(_ ver: Int64) -> History {
            opened
                .add(10..<11, .write(session: 1, offset: 0, count: 2), .size(4), id: 2)
                .add(12..<13, .fetch(offset: 0, count: 1), .words([(2, 0, 1)], size: 4), ver: 1)
                .add(14..<15, .restart, .done)
                .add(16..<17, .look, .size(4), fid: 7, ver: ver)
        }

        #expect(Self.verdict(history(2)) == .linearizable)
        #expect(Self.isViolation(history(1)))
        #expect(Self.isViolation(history(3)))
    }

    @Test func `finds a file anew that a killed server told nobody of`() {
        func history(_ answer: FileOperation.Answer, told: Int64?, then ver: Int64) -> History {
            History().add(
                0..<9, .store(count: 4), answer, fid: told.map { _ in 7 }, ver: told, id: 1
            )
            .add(10..<11, .restart, .done)
            .add(12..<13, .look, .size(4), fid: 7, ver: ver)
        }

        for ver: Int64 in [0, 1] {
            #expect(
                Self.verdict(history(.none(.kill), told: nil, then: ver)) == .linearizable)
        }
        #expect(Self.isViolation(history(.size(4), told: 1, then: 0)))
        #expect(Self.isViolation(history(.none(.kill), told: nil, then: 3)))
    }

    @Test func `takes a file for the next version only where no removal was answered`() {
        func history(_ answer: FileOperation.Answer, fid: Int64, then ver: Int64) -> History {
            opened.add(10..<14, .remove, answer)
                .add(11..<14, .open(session: 3, making: .absent), .none(.kill))
                .add(15..<16, .restart, .done)
                .add(17..<18, .look, .size(0), fid: fid, ver: ver)
        }

        #expect(Self.verdict(history(.none(.kill), fid: 8, then: 0)) == .linearizable)
        #expect(Self.verdict(history(.none(.kill), fid: 7, then: 2)) == .linearizable)
        #expect(Self.isViolation(history(.none(.kill), fid: 7, then: 1)))
        #expect(Self.isViolation(history(.none(.kill), fid: 7, then: 0)))
        #expect(Self.verdict(history(.done, fid: 8, then: 0)) == .linearizable)
        #expect(Self.isViolation(history(.done, fid: 7, then: 2)))
    }

    @Test func `counts what a session changed that ended with its connection, once`() {
        func history(_ ver: Int64, then later: Int64) -> History {
            opened
                .add(10..<11, .write(session: 1, offset: 0, count: 2), .size(4), id: 2)
                .add(12..<Int.max, .end(session: 1), .none(.connection))
                .add(14..<15, .look, .size(4), ver: ver)
                .add(16..<17, .look, .size(4), ver: later)
        }

        #expect(Self.verdict(history(1, then: 1)) == .linearizable)
        #expect(Self.verdict(history(1, then: 2)) == .linearizable)
        #expect(Self.verdict(history(2, then: 2)) == .linearizable)
        #expect(Self.isViolation(history(2, then: 1)))
        #expect(Self.isViolation(history(2, then: 3)))
    }

    @Test func `finds if-ver that let through what it should not, or kept what it should let`() {
        func change(_ version: Int64, _ answer: FileOperation.Answer, ver: Int64?) -> History {
            opened.add(
                10..<11, .write(session: 1, offset: 0, count: 2), answer, ver: ver,
                ifVersion: version, id: 2)
        }

        #expect(Self.verdict(change(1, .size(4), ver: nil)) == .linearizable)
        #expect(Self.isViolation(change(0, .size(4), ver: nil)))
        #expect(Self.isViolation(change(2, .size(4), ver: nil)))
        #expect(Self.verdict(change(2, .conflict, ver: 1)) == .linearizable)
        #expect(Self.isViolation(change(1, .conflict, ver: 1)))
        #expect(Self.isViolation(change(2, .conflict, ver: 3)))
        let read = FileOperation.Answer.words([(2, 0, 1)], size: 4)
        let trace = change(2, .conflict, ver: 1).add(12..<13, .fetch(offset: 0, count: 1), read)
        #expect(Self.isViolation(trace))
    }

    @Test func `finds two STOREs that replaced the same version`() {
        let one = opened.add(
            10..<19, .store(count: 3), .size(3), fid: 7, ver: 2, ifVersion: 1, id: 2)
        let both = one.add(
            11..<18, .store(count: 5), .size(5), fid: 7, ver: 3, ifVersion: 1, id: 3)
        let refused = one.add(11..<18, .store(count: 5), .conflict, ver: 2, ifVersion: 1, id: 3)

        #expect(Self.isViolation(both))
        #expect(Self.verdict(refused) == .linearizable)
    }

    @Test func `looks at if-ver of OPEN too`() {
        func history(_ version: Int64, _ answer: FileOperation.Answer) -> History {
            opened.add(10..<11, .open(session: 3), answer, ver: 1, ifVersion: version)
        }

        #expect(Self.verdict(history(1, .size(4))) == .linearizable)
        #expect(Self.verdict(history(2, .conflict)) == .linearizable)
        #expect(Self.isViolation(history(2, .size(4))))
        #expect(Self.isViolation(history(1, .conflict)))
    }

    @Test func `gives a removed and made file another identity and its first version`() {
        let removed = opened.add(10..<11, .remove, .done)
        func again(_ fid: Int64, _ ver: Int64) -> History {
            removed.add(12..<13, .store(count: 2), .size(2), fid: fid, ver: ver, id: 2)
        }

        #expect(Self.verdict(again(8, 1)) == .linearizable)
        #expect(Self.isViolation(again(7, 1)))
        #expect(Self.isViolation(again(8, 2)))
        let made = removed.add(
            12..<13, .open(session: 3, making: .new), .size(0), fid: 8, ver: 0)
        #expect(Self.verdict(made) == .linearizable)
        #expect(Self.isViolation(made.add(14..<15, .look, .size(0), fid: 7, ver: 0)))
        #expect(Self.isViolation(made.add(14..<15, .look, .size(0), fid: 9, ver: 0)))
        #expect(
            Self.isViolation(
                removed.add(12..<13, .open(session: 3, making: .new), .exists)))
    }

    @Test func `lets OPEN make a file at one moment and tell of it at a later one`() {
        let removed = opened.add(10..<11, .remove, .done)
        func history(_ making: FileOperation.Making, _ size: Int) -> History {
            removed.add(12..<20, .open(session: 3, making: making), .size(size), fid: 8, ver: 0)
                .add(13..<14, .open(session: 4), .size(0), fid: 8, ver: 0)
                .add(15..<16, .append(session: 4, count: 2), .size(2), id: 2)
        }
        let replaced = history(.new, 2).add(17..<18, .remove, .done)
            .add(18..<19, .store(count: 5), .size(5), fid: 9, ver: 1, id: 3)

        for making in [FileOperation.Making.absent, .new] {
            #expect(Self.verdict(history(making, 0)) == .linearizable)
            #expect(Self.verdict(history(making, 2)) == .linearizable)
            #expect(Self.isViolation(history(making, 1)))
        }
        #expect(Self.verdict(replaced) == .linearizable)
        #expect(Self.isViolation(replaced.add(21..<22, .sync(session: 3), .done, ver: 1)))
        let second = history(.new, 0).add(12..<22, .open(session: 5, making: .new), .size(0))
        #expect(Self.isViolation(second))
    }

    @Test func `finds an identity that comes back after others`() {
        let history =
            opened.add(10..<11, .remove, .done)
            .add(12..<13, .store(count: 2), .size(2), fid: 8, ver: 1, id: 2)
            .add(14..<15, .remove, .done)

        #expect(
            Self.isViolation(
                history.add(16..<17, .store(count: 2), .size(2), fid: 7, ver: 1, id: 3)))
        #expect(
            Self.verdict(
                history.add(16..<17, .store(count: 2), .size(2), fid: 9, ver: 1, id: 3))
                == .linearizable)
    }

    @Test func `finds a removed file that is there, and a session that writes to it`() {
        let removed = opened.add(10..<11, .remove, .done)

        #expect(Self.verdict(removed.add(12..<13, .look, .absent)) == .linearizable)
        #expect(Self.isViolation(removed.add(12..<13, .look, .size(4))))
        #expect(
            Self.isViolation(
                removed.add(12..<13, .fetch(offset: 0, count: 4), .whole(1, 4, size: 4))))
        #expect(Self.isViolation(opened.add(12..<13, .look, .absent)))
        #expect(
            Self.isViolation(
                removed.add(12..<13, .append(session: 1, count: 1), .size(5), id: 2)))
        #expect(
            Self.verdict(
                removed.add(12..<13, .append(session: 1, count: 1), .stale, id: 2)
                    .add(14..<15, .read(session: 1, offset: 0, count: 9), .whole(1, 4))
                    .add(16..<17, .close(session: 1), .size(4))) == .linearizable)
    }

    @Test func `finds lost changes that CLOSE does not tell of`() {
        let lost =
            opened
            .add(10..<11, .append(session: 1, count: 1), .size(5), id: 2)
            .add(12..<13, .remove, .done)

        #expect(Self.verdict(lost.add(14..<15, .close(session: 1), .stale)) == .linearizable)
        #expect(Self.isViolation(lost.add(14..<15, .close(session: 1), .size(5))))
        #expect(Self.isViolation(lost.add(14..<15, .close(session: 2), .stale)))
    }

    @Test func `lets OPEN keep the file that it found when that gets another name meanwhile`() {
        func history(_ time: Range<Int>) -> History {
            opened.add(10..<20, .putAside, .done)
                .add(12..<13, .look, .absent)
                .add(time, .open(session: 3, lock: .shared), .size(5), fid: 7, ver: 1)
                .add(14..<15, .append(session: 1, count: 1), .size(5), id: 2)
        }

        #expect(Self.verdict(history(11..<17)) == .linearizable)
        #expect(Self.isViolation(history(14..<17)))
        #expect(Self.isViolation(history(11..<13)))
        #expect(Self.isViolation(history(21..<22)))
    }

    @Test func `follows a file to the name beside it and back`() {
        let away =
            opened.add(10..<11, .putAside, .done)
            .add(12..<13, .append(session: 1, count: 1), .size(5), id: 2)
            .add(14..<15, .look, .absent)
        let back = away.add(16..<17, .bringBack, .done)

        #expect(Self.verdict(back.add(18..<19, .look, .size(5), fid: 7, ver: 1)) == .linearizable)
        #expect(Self.isViolation(back.add(18..<19, .look, .size(4), fid: 7, ver: 1)))
        #expect(Self.isViolation(back.add(18..<19, .look, .size(5), fid: 8, ver: 1)))
        #expect(Self.isViolation(back.add(18..<19, .look, .absent)))
        #expect(Self.isViolation(away.add(15..<16, .append(session: 2, count: 1), .stale, id: 3)))
        let made = away.add(15..<16, .store(count: 1), .size(1), fid: 9, ver: 1, id: 3)
        #expect(Self.verdict(made) == .linearizable)
        #expect(Self.isViolation(made.add(17..<18, .bringBack, .done)))
    }
}
