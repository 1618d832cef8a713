import DFSClient
import DFSProtocol
import Testing

@testable import DFSShell

@Suite struct RenderingTests {
    @Test(
        arguments: [
            (0, "0"), (999, "999"), (1023, "1023"), (1024, "1.0K"), (1025, "1.1K"), (10_240, "10K"),
            (1_048_576, "1.0M"), (1_047_552, "1.0M"), (Int64.max, "8.0E"),
        ] as [(Int64, String)])
    func `sizes with units have at most four characters and are never too small`(
        bytes: Int64, text: String
    ) {
        #expect(Amounts.human(bytes) == text)
    }

    @Test(
        arguments: [
            (0, "0 s"), (999, "0 s"), (4000, "4 s"), (119_999, "119 s"), (120_000, "2 min"),
            (7_200_000, "2 h"), (172_800_000, "2 days"),
        ] as [(Int64, String)])
    func `durations are told in one unit`(milliseconds: Int64, text: String) {
        #expect(Amounts.seconds(milliseconds) == text)
    }

    @Test(
        arguments: [(0, "0 bytes"), (1, "1 byte"), (9999, "9999 bytes"), (10_000, "10.0 kB")]
            as [(Int64, String)])
    func `bytes in a sentence`(bytes: Int64, text: String) {
        #expect(Amounts.sentence(bytes) == text)
    }

    @Test func `columns are as wide as their widest cell`() {
        let lines = Columns.table([["a", "1", "x"], ["bbb", "22", "yy"]], rightAligned: [1])

        #expect(lines == ["a     1  x", "bbb  22  yy"])
    }

    @Test func `words fill a terminal from top to bottom`() {
        #expect(Columns.fill(["a", "b", "c", "d", "e"], width: 4) == ["a  d", "b  e", "c"])
        #expect(Columns.fill(["long word"], width: 2) == ["long word"])
        #expect(Columns.fill([], width: 80) == [])
    }

    private static func error(
        _ code: ErrorCode, server: String? = nil, seen: Int64? = nil
    ) throws -> DFSError {
        var error = DFSError(code, path: try TreePath("/B/F3"), "advice")
        error.server = server.flatMap { ServerID($0) }
        error.seenMilliseconds = seen
        return error
    }

    @Test func `the sentences that are promised`() throws {
        #expect(ErrorSentence.text(try Self.error(.notFound)) == "/B/F3: not found")
        #expect(
            ErrorSentence.text(try Self.error(.serverDown, server: "m2", seen: 4200))
                == "/B/F3: file server m2 is down, silent for 4 s; the file is safe there, "
                + "try again when it is back (\"servers\" shows it)")
        #expect(
            ErrorSentence.text(
                try Self.error(.serverDown, server: "m2", seen: 4200), isPlannedStop: true)
                == "/B/F3: file server m2 was stopped as planned 4 s ago; the file is safe there, "
                + "try again when it is back (\"servers\" shows it)")
    }

    @Test func `what was damaged is said to be kept or not, as it is`() throws {
        var error = try Self.error(.corrupt)
        #expect(
            ErrorSentence.text(error) == "/B/F3: damaged on the way: advice; nothing was kept")
        error.isOutcomeUnknown = true
        #expect(
            ErrorSentence.text(error)
                == "/B/F3: damaged on the way: advice; what has the name there now is not what "
                + "was sent, so put it again")
    }

    @Test func `a wait that was too long names the server and what to do`() throws {
        var error = try Self.error(.timeout, server: "m2")
        let question = ErrorSentence.text(error)
        error.isOutcomeUnknown = true
        let change = ErrorSentence.text(error)
        error.isTargetUntouched = true
        let upload = ErrorSentence.text(error)
        error.server = nil
        error.endpoint = Endpoint(host: "127.0.0.1", port: 7400)
        error.isUnanswered = true

        let late = "/B/F3: file server m2 did not answer in time; "
        #expect(question == late + "try again")
        #expect(
            change == late
                + "a change may have been made all the same, so look before repeating one")
        #expect(upload == late + "nothing was put under its name, try again")
        #expect(
            ErrorSentence.text(error)
                == "/B/F3: the name server at 127.0.0.1:7400 did not answer in time; nothing was "
                + "put under its name, try again")
    }

    @Test func `a wait of the name server is told without advice for programs`() throws {
        var error = try Self.error(.timeout)
        error.endpoint = Endpoint(host: "127.0.0.1", port: 7400)
        error.advice = "the owner did not answer in time; repeat it with its op="
        let path = try TreePath("/B/F3")

        #expect(
            ErrorSentence.absence(error, of: path)
                == "/B/F3: the name server can not serve it now: \(error.advice)")
        error.isOutcomeUnknown = true
        #expect(
            ErrorSentence.text(error)
                == "/B/F3: the file server did not answer the name server in time; a change may "
                + "have been made all the same, so look before repeating one")
    }

    @Test func `a file that was stored before something failed is not told to be as before`()
        throws
    {
        let told = try [ErrorCode.io, .staleFile, .corrupt].map { code in
            var error = try Self.error(code, server: "m2")
            error.isTargetReplaced = true
            error.isOutcomeUnknown = true
            return ErrorSentence.text(error)
        }

        #expect(
            told == [
                "/B/F3: io (file server m2): advice; what was sent is stored, but could not be "
                    + "verified",
                "/B/F3: it was stored, and then changed or replaced; look what it holds now "
                    + "(advice)",
                "/B/F3: damaged on the way: advice; what has the name there now is not what was "
                    + "sent, so put it again",
            ])
    }

    @Test func `who waits for a server is told which`() throws {
        let path = try TreePath("/B/F3")
        let told = try [
            Self.error(.serverDown, server: "m2", seen: 4200), Self.error(.timeout, server: "m2"),
            Self.error(.busy, server: "m2"), DFSError("unreachable", path: path, "x"),
        ].map { ErrorSentence.absence($0, of: path) }

        #expect(
            told == [
                "/B/F3: file server m2 is down, silent for 4 s",
                "/B/F3: file server m2 does not answer",
                "/B/F3: file server m2 can not serve it now: advice",
                "/B/F3: the name server does not answer",
            ])
    }

    @Test(
        arguments: [
            ("uptime", "83211", false, "83211 ms"), ("uptime", "83211", true, "83 s"),
            ("free", "1048576", false, "1048576 bytes"), ("bytes", "1048576", true, "1.0M"),
            ("files", "12", true, nil), ("uptime", "x", false, nil),
        ] as [(String, String, Bool, String?)])
    func `amounts of a status have units`(
        key: String, value: String, isHuman: Bool, text: String?
    ) {
        #expect(ServerCommands.amount(key, [UInt8](value.utf8), isHuman: isHuman) == text)
    }

    @Test func `what ended a session is told with the reason`() throws {
        let failures = try [ErrorCode.staleHandle, .leaseExpired, .staleFile].map {
            ErrorSentence.text(try Self.error($0))
        }

        #expect(
            failures == [
                "/B/F3: the session is over; open the file again (advice)",
                "/B/F3: the session's lease has ended; open the file again (advice)",
                "/B/F3: the file was changed or replaced meanwhile; look what it holds now (advice)",
            ])
    }

    @Test func `done, not done and unknown are three sentences, and nothing is called void`() throws
    {
        var unknown = try Self.error(.staleFile)
        unknown.isOutcomeUnknown = true
        var notDone = try Self.error(.staleFile)
        notDone.earlierChanges = .stand
        var restarted = try Self.error(.staleHandle)
        restarted.earlierChanges = .standUnlessPowerFailed
        var missing = try Self.error(.staleHandle)
        missing.missingSession = [UInt8]("h9".utf8)

        #expect(
            [unknown, notDone, restarted, missing].map { ErrorSentence.text($0) } == [
                "/B/F3: the session was lost before this was answered, and whether it was done is "
                    + "not known; look what the file holds (advice)",
                "/B/F3: the session was lost, and this was not done; what was written before "
                    + "stands, but is not synced; look what the file holds (advice)",
                "/B/F3: the session is over; what was written before stands unless its machine "
                    + "lost power; open the file again (advice)",
                "/B/F3: advice",
            ])
    }

    @Test func `a name server that was silent ends a transfer, a file server does not`() throws {
        var names = try Self.error(.timeout)
        names.endpoint = Endpoint(host: "127.0.0.1", port: 1)
        // It says that the owner of the file did not answer it: others may.
        #expect(!names.meansNoNameServer)
        names.isUnanswered = true
        var file = names
        file.server = ServerID("m2")

        #expect(names.meansNoNameServer)
        #expect(!file.meansNoNameServer)
        #expect(try !Self.error(.timeout).meansNoNameServer)
    }

    @Test func `a lock without a holder is told with the server's words`() throws {
        #expect(ErrorSentence.text(try Self.error(.locked)) == "/B/F3: locked: advice")
    }

    @Test(
        arguments: [
            (nil, "conn"), (.milliseconds(1), "1"), (.seconds(30), "30000"),
        ] as [(Duration?, String)])
    func `a lease is told in whole milliseconds`(lease: Duration?, text: String) {
        #expect(Amounts.lease(lease) == text)
    }

    @Test func `a put that failed says that nothing changed and what it left`() throws {
        var error = try Self.error(.serverDown, server: "m2", seen: 3100)
        error.isTargetUntouched = true
        error.leftover = try TreePath("/B/F3.dfs-part-1a")
        var lost = DFSError("connection-lost", path: try TreePath("/B/F3"), "reset")
        lost.isTargetUntouched = true

        #expect(
            ErrorSentence.text(error)
                == "/B/F3: file server m2 is down, silent for 3 s; nothing was put under its name, "
                + "try again when it is back (\"servers\" shows it); the part that was sent may be "
                + "left as /B/F3.dfs-part-1a, which rm removes")
        #expect(
            ErrorSentence.text(lost)
                == "/B/F3: the connection was lost: reset; nothing was put under its name")
        #expect(ShellFailure(error).code == .temporary)
    }

    @Test func `what may have been done is said whatever came then`() throws {
        var error = DFSError("unreachable", path: try TreePath("/B/F3"), "refused")
        error.server = ServerID("m2")
        #expect(
            ErrorSentence.text(error)
                == "/B/F3: file server m2 can not be reached: refused; try again")
        error.isOutcomeUnknown = true
        #expect(
            ErrorSentence.text(error)
                == "/B/F3: file server m2 can not be reached: refused; try again; it may have been "
                + "done all the same, so look before repeating it")
        error.isTargetReplaced = true
        #expect(!ErrorSentence.text(error).contains("may have been"))
    }

    @Test func `a name that the tree refuses is skipped, and the transfer no success`() async throws
    {
        let tally = TransferTally("put")

        try await tally.file { _ in }
        tally.refused()

        #expect(tally.summary == "put 1 file, 0 bytes; 1 skipped")
        #expect(tally.code == .failed)
    }

    @Test func `what moved of a file counts once it is whole`() async throws {
        let tally = TransferTally("put")

        try await tally.file { $0.moved(10) }
        await #expect(throws: CancellationError.self) {
            try await tally.file { meter in
                meter.moved(40_000_000)
                throw CancellationError()
            }
        }
        tally.failed(.failed)

        #expect(tally.summary == "put 1 file, 10 bytes; 1 missing")
    }

    @Test func `a part that was lost with its session is no change of a file`() throws {
        var error = try Self.error(.staleFile)
        error.isTargetUntouched = true

        let failure = ShellFailure(error)

        #expect(failure.code == .temporary)
        #expect(failure.sentence.contains("nothing was put under its name, try again"))
    }

    @Test func `a transfer that lost the name server says that not all was tried`() async throws {
        let tally = TransferTally("put")
        let gone = DFSError("unreachable", path: try TreePath("/B/F3"), "no answer")
        var ofFileServer = gone
        ofFileServer.server = ServerID("m2")

        try await tally.file { _ in }
        #expect(!tally.leavesTheRest())
        tally.cutShort(.unreachable)

        #expect(tally.leavesTheRest())
        #expect(tally.summary == "put 1 file, 0 bytes; 1 missing, and the rest was not tried")
        // It was reached before: it is away.
        #expect(tally.code == .temporary)
        #expect(gone.meansNoNameServer)
        #expect(!ofFileServer.meansNoNameServer)
    }

    @Test(
        arguments: [
            (ErrorCode.notFound, 3), (.denied, 4), (.readOnly, 4), (.serverDown, 5), (.busy, 5),
            (.timeout, 5), (.corrupt, 7), (.exists, 8), (.staleFile, 8), (.staleHandle, 8),
            (.notEmpty, 8), (.noReplica, 1), (.cancelled, 130), (.isDirectory, 1), (.noSpace, 1),
            (.badName, 1),
        ] as [(ErrorCode, Int32)])
    func `every code of the wire ends in the exit code that is promised`(
        code: ErrorCode, exit: Int32
    ) throws {
        #expect(ShellFailure(try Self.error(code)).code.rawValue == exit)
    }

    @Test(
        arguments: [
            ("unreachable", 6), ("no-name-server", 6), ("connection-lost", 6),
            ("protocol-violation", 7),
        ])
    func `the client's own codes have exit codes too`(code: String, exit: Int32) {
        #expect(ShellFailure(DFSError(code, "x")).code.rawValue == exit)
    }

    @Test(arguments: ErrorCode.allCases)
    func `no sentence carries a raw control byte of a server`(code: ErrorCode) throws {
        let path = try TreePath([UInt8]("/a\u{1B}[2J\n\u{9B}b".utf8) + [0xFF])
        var error = DFSError(code, path: path, "evil \u{1B}]0;title\u{7}\r\n\u{202E}text")
        error.server = ServerID("m1")

        #expect(isHarmless(ErrorSentence.text(error)))
    }

    @Test func `a code of a newer server is shown without what it hides`() {
        #expect(isHarmless(ErrorSentence.text(DFSError("\u{1B}[31mnew", "\u{7}bell"))))
    }
}

/// Whether text holds nothing that moves a cursor or hides.
func isHarmless(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { scalar in
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
