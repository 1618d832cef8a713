import DFSClient
import DFSProtocol

/// Sessions by hand: open a file, read and write at offsets, and close it again.
enum SessionCommands {
    static let all: [Command] = [
        Command(row: overview, run: runOverview),
        Command(row: open, run: runOpen),
        Command(row: read, run: runRead),
        Command(row: write, run: runWrite),
        Command(row: append, run: runAppend),
        Command(row: truncate, run: runTruncate),
        Command(row: sync, run: runSync),
        Command(row: renew, run: runRenew),
        Command(row: resume, run: runResume),
        Command(row: follow, run: runFollow),
        Command(row: close, run: runClose),
    ]

    static let exits: [ExitCode] = [
        .notFound, .denied, .temporary, .unreachable, .conflict,
    ]

    private static let overview = CommandSpecification(
        "session", .sessions, [.init("command", .text, .any)],
        "Lists the sessions that this shell holds, and the commands for them.",
        examples: [("session", "\"handles\" lists those of everybody")])

    private static let open = CommandSpecification(
        "session open", .sessions,
        [
            .init("path", .remotePath),
            .init("mode", .choice(OpenMode.allCases.map(\.rawValue)), .optional),
        ],
        options: [
            .init(
                "lease", "milliseconds that the session outlives a lost connection",
                value: .number, isLong: true),
            .init(
                "lock", "keeps away others that ask for a lock",
                value: .choice(FileLock.allCases.map(\.rawValue)), isLong: true),
            .init(
                "wait", "milliseconds to wait in line for the lock", value: .number, isLong: true),
            .init(
                "if-version", "only where the file has this version", value: .number, isLong: true),
        ],
        "Opens a session on a file and tells its handle; r is the mode unless one is given.",
        examples: [
            ("session open /A/F1 r", "h1 size=6 ver=0 server=m1"),
            ("session open /A/new create", "makes the file where it is not there"),
            (
                "session open --lease 30000 /A/F1 rw",
                "tells the token by which another shell can resume it"
            ),
            ("session open --lock exclusive --wait 5000 /A/F1 rw", "waits up to 5 s for its turn"),
        ], exits: exits)

    private static let read = CommandSpecification(
        "session read", aliases: ["read"], .sessions,
        [.init("handle", .handle), .init("offset", .number), .init("count", .number, .optional)],
        "Writes bytes of an open file to standard output; with one number from the cursor on.",
        examples: [("read h1 0 100", "the first 100 bytes"), ("read h1 100", "the next 100")],
        exits: exits)

    private static let write = CommandSpecification(
        "session write", aliases: ["write"], .sessions,
        [.init("handle", .handle), .init("offset", .number), .init("text", .text)],
        options: [
            .init(
                "if-version", "only where the file has this version", value: .number, isLong: true)
        ],
        "Writes text at an offset of an open file.",
        examples: [("write h1 0 \"hello world\\n\"", "bytes=12 size=12")], exits: exits)

    private static let append = CommandSpecification(
        "session append", .sessions, [.init("handle", .handle), .init("text", .text)],
        "Writes text at the end of an open file.",
        examples: [("session append h1 \"one more line\\n\"", "bytes=14 size=26")], exits: exits)

    private static let truncate = CommandSpecification(
        "session truncate", .sessions, [.init("handle", .handle), .init("size", .number)],
        "Cuts an open file, or extends it with zeros.",
        examples: [("session truncate h1 5", "only the first 5 bytes are left")], exits: exits)

    private static let sync = CommandSpecification(
        "session sync", .sessions, [.init("handle", .handle)],
        "Brings what was written to the disk of the server.",
        examples: [("session sync h1", "it outlives a power cut once this has returned")],
        exits: exits)

    private static let close = CommandSpecification(
        "session close", aliases: ["close"], .sessions, [.init("handle", .handle)],
        "Ends a session; what it wrote is on the disk afterwards.",
        examples: [("session close h1", "its lock is free for the next in line")], exits: exits)

    private static let renew = CommandSpecification(
        "session renew", .sessions, [.init("handle", .handle)],
        "Starts a session's lease anew, which happens by itself while this shell runs.",
        examples: [("session renew h1", "lease=30000")],
        exits: exits)

    private static let resume = CommandSpecification(
        "session resume", .sessions,
        [
            .init("handle", .serverHandle), .init("token", .text),
            .init("server", .server, .optional),
        ],
        "Takes a session with a lease over from wherever it is; the line is kept out of history.",
        examples: [
            (
                "session resume s1f 00112233445566778899aabbccddeeff m1",
                "handle and token as session open told them"
            )
        ], exits: exits)

    private static let follow = CommandSpecification(
        "session follow", .sessions,
        [.init("handle", .handle), .init("offset", .number, .optional)],
        "Shows what is added to an open file, from its end or an offset on, until Ctrl-C.",
        examples: [("session follow h1 0", "all of it, and then what comes")],
        exits: exits)

    private static func runOverview(_ session: ShellSession, _ call: Invocation) async throws {
        if let word = call.operands.first {
            throw ShellFailure(
                .usage, "session \(word.shown) is no command; \"session\" lists them")
        }
        let below = CommandTable.rows(below: "session")
        if session.output.isJSON {
            return session.heldObjects.forEach(session.output.object)
        }
        let rows = session.heldRows
        for line in Columns.table(rows) { session.output.line(line) }
        if rows.isEmpty { session.output.line("This shell holds no session.") }
        session.output.line("")
        for line in HelpText.overview(below) {
            session.output.line(line)
        }
    }

    private static func runOpen(_ session: ShellSession, _ call: Invocation) async throws {
        let lease = call.number("lease")
        if lease == 0 {
            throw call.misuse(
                "--lease takes milliseconds from 1 on; without it the session ends with its "
                    + "connection")
        }
        let lock = call.value("lock").flatMap { FileLock(rawValue: $0.text) }
        if lock == nil, call.has("wait") {
            throw call.misuse("--wait is the time in line for a lock, and needs --lock")
        }
        let path = try await session.onePath(call.operands[0])
        let mode = call.operands.count > 1 ? OpenMode(rawValue: call.operands[1].text) : .read
        let file: RemoteFile
        do throws(DFSError) {
            file = try await session.client.open(
                path, mode ?? .read, lease: lease.map { .milliseconds($0) }, lock: lock,
                wait: call.number("wait").map { .milliseconds($0) },
                ifVersion: call.number("if-version"))
        } catch {
            throw session.namingOwnHolder(error)
        }
        session.keep(file)
        guard let lease, let granted = file.lease, granted < .milliseconds(lease) else { return }
        session.output.complain(
            "\(file.path): the server grants a lease of \(Amounts.lease(granted)) ms, and "
                + "\(lease) ms were asked for")
    }

    private static func runRenew(_ session: ShellSession, _ call: Invocation) async throws {
        let lease = try await session.file(call.operands[0]).renew()
        session.output.line(
            "lease=\(Amounts.lease(lease))", as: ["lease": .number(Amounts.milliseconds(lease))])
    }

    private static func runResume(_ session: ShellSession, _ call: Invocation) async throws {
        let handle = call.operands[0]
        let named = call.operands.count > 2 ? call.operands[2] : nil
        let server = try await session.server(having: handle, named: named)
        // As session open told it, or without the key.
        let key = [UInt8]("token=".utf8)
        let word = call.operands[1].bytes
        let token = word.starts(with: key) ? Array(word.dropFirst(key.count)) : word
        do throws(DFSError) {
            session.keep(
                try await session.client.resume(handle.bytes, token: token, on: server))
        } catch {
            throw session.missing(handle, on: server, error)
        }
    }

    private static func runFollow(_ session: ShellSession, _ call: Invocation) async throws {
        let file = try session.file(call.operands[0])
        var offset = call.number(at: 1)
        if offset == nil { offset = try await file.status().entry.size }
        let following = file.follow(at: offset ?? 0)
        try await session.output.whileRead {
            var place = following.offset
            try await session.show(following, of: file.path, place: &place)
        }
    }

    private static func runRead(_ session: ShellSession, _ call: Invocation) async throws {
        let file = try session.file(call.operands[0])
        guard let first = call.number(at: 1) else { return }
        var (offset, count) = (Int64?.none, first)
        if let second = call.number(at: 2) { (offset, count) = (first, second) }
        // One READ carries at most the server's limit; a person's count may be larger.
        while count > 0, !session.output.isBroken {
            let size = Int(min(count, Int64(file.pieceBytes)))
            let piece: (bytes: ByteBuffer, isEnd: Bool)
            if let place = offset {
                piece = try await file.read(at: place, count: size)
                // No file reaches further; the next READ is refused, and nothing is read twice.
                let (next, isTooFar) = place.addingReportingOverflow(
                    Int64(piece.bytes.readableBytes))
                offset = isTooFar ? Int64.max : next
            } else {
                piece = try await file.readNext(count: size)
            }
            try await session.output.content(piece.bytes.readableBytesView, of: file.path)
            count -= Int64(piece.bytes.readableBytes)
            if piece.isEnd || piece.bytes.readableBytes == 0 { return }
        }
    }

    private static func runWrite(_ session: ShellSession, _ call: Invocation) async throws {
        let file = try session.file(call.operands[0])
        let bytes = ByteBuffer(bytes: call.operands[2].bytes)
        let size = try await file.write(
            bytes, at: call.number(at: 1) ?? 0, ifVersion: call.number("if-version"))
        session.output.line(
            "bytes=\(bytes.readableBytes) size=\(size)",
            as: ["bytes": .number(Int64(bytes.readableBytes)), "size": .number(size)])
    }

    private static func runAppend(_ session: ShellSession, _ call: Invocation) async throws {
        let file = try session.file(call.operands[0])
        let bytes = ByteBuffer(bytes: call.operands[1].bytes)
        let size = try await file.append(bytes)
        session.output.line(
            "bytes=\(bytes.readableBytes) size=\(size)",
            as: ["bytes": .number(Int64(bytes.readableBytes)), "size": .number(size)])
    }

    private static func runTruncate(_ session: ShellSession, _ call: Invocation) async throws {
        let size = call.number(at: 1) ?? 0
        try await session.file(call.operands[0]).truncate(to: size)
        session.output.line("size=\(size)", as: ["size": .number(size)])
    }

    private static func runSync(_ session: ShellSession, _ call: Invocation) async throws {
        let version = try await session.file(call.operands[0]).sync()
        session.output.line("ver=\(version)", as: ["version": .number(version)])
    }

    private static func runClose(_ session: ShellSession, _ call: Invocation) async throws {
        let file = try session.file(call.operands[0])
        let name = call.operands[0].text
        // The handle is gone whatever the server answers.
        _ = session.state.withLock { $0.sessions.removeValue(forKey: name) }
        let (size, version) = try await file.close()
        session.output.line(
            "size=\(size) ver=\(version)",
            as: ["size": .number(size), "version": .number(version)])
    }
}

extension ShellSession {
    /// Gives a session a name here and tells it, with what another shell needs to resume it.
    fileprivate func keep(_ file: RemoteFile) {
        let name = state.withLock { state in
            state.sessionsOpened += 1
            let name = "h\(state.sessionsOpened)"
            state.sessions[name] = file
            return name
        }
        var words = [
            name, "size=\(file.facts.size)", "ver=\(file.facts.version)", "server=\(file.server)",
        ]
        if let lock = file.lock { words.append("lock=\(lock.rawValue)") }
        if let token = file.token {
            words.append("lease=\(Amounts.lease(file.lease))")
            words.append("handle=\(Quoting.text(file.handle))")
            words.append("token=\(Quoting.text(token))")
        }
        var object = object(file, named: name)
        object["size"] = .number(file.facts.size)
        object["version"] = .number(file.facts.version)
        if let token = file.token { object["token"] = .bytes(token) }
        output.line(words.joined(separator: " "), as: object)
    }

    private func object(_ file: RemoteFile, named name: String) -> JSONObject {
        [
            "here": .text(name), "server": .text(file.server.text), "handle": .bytes(file.handle),
            "mode": .text(file.mode.rawValue), "lock": .text(file.lock?.rawValue),
            "lease": .number(Amounts.milliseconds(file.lease)), "path": .path(file.path),
        ]
    }

    /// What `session` tells of each session held here with `--json`.
    fileprivate var heldObjects: [JSONObject] {
        let held = state.withLock { $0.sessions }
        return handleNames.compactMap { name in held[name].map { object($0, named: name) } }
    }

    /// What `session` shows: a row for each session held here, under a heading.
    fileprivate var heldRows: [[String]] {
        let held = state.withLock { $0.sessions }
        let rows = handleNames.compactMap { name in held[name].map { (name, $0) } }
        if rows.isEmpty { return [] }
        return [["here", "server", "handle", "mode", "lock", "lease", "path"]]
            + rows.map { name, file in
                [
                    name, file.server.text, Quoting.text(file.handle), file.mode.rawValue,
                    file.lock?.rawValue ?? "-",
                    file.lease == nil ? "conn" : Amounts.lease(file.lease) + " ms",
                    "\(file.path)",
                ]
            }
    }

    /// A refusal for a lock, where a session of this very shell has it: only the person can end it.
    fileprivate func namingOwnHolder(_ error: DFSError) -> any Error {
        guard error.known == .locked, let holder = error.holder else { return error }
        let held = state.withLock { $0.sessions }
        let own = handleNames.first { name in
            held[name]?.handle == holder.handle
                && (error.server == nil || held[name]?.server == error.server)
        }
        guard let own else { return error }
        let path = error.path.map { "\($0): " } ?? ""
        let kind = holder.lock.map { "\($0.rawValue) " } ?? ""
        return ShellFailure(
            .temporary,
            "\(path)session \(own) of this shell has the \(kind)lock; \"close \(own)\" frees it")
    }

    /// A refusal for a session that a server does not have, said as that.
    func missing(_ handle: Word, on server: ServerInfo, _ error: DFSError) -> any Error {
        guard error.known == .staleHandle else { return error }
        return ShellFailure(
            .notFound,
            "\(handle.shown): file server \(server.id) has no such session; "
                + "\"handles \(server.id)\" lists those that it has")
    }

    /// An open session by its name here.
    func file(_ word: Word) throws -> RemoteFile {
        guard let file = state.withLock({ $0.sessions[word.text] }) else {
            throw ShellFailure(
                .notFound, "\(word.shown): no session of this shell; \"session\" lists them")
        }
        return file
    }
}
