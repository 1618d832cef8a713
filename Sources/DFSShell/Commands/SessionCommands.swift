import DFSClient
import DFSProtocol

/// Sessions by hand: open a file, read and write at offsets, and close it again.
enum SessionCommands {
    static let all: [Command] = [
        Command(row: open, run: runOpen),
        Command(row: read, run: runRead),
        Command(row: write, run: runWrite),
        Command(row: append, run: runAppend),
        Command(row: truncate, run: runTruncate),
        Command(row: sync, run: runSync),
        Command(row: close, run: runClose),
        Command(row: handles, run: runHandles),
    ]

    private static let exits: [ExitCode] = [
        .notFound, .denied, .temporary, .unreachable, .conflict,
    ]

    private static let open = CommandSpecification(
        "session open", aliases: ["open"], .sessions,
        [
            .init("path", .remotePath),
            .init("mode", .choice(OpenMode.allCases.map(\.rawValue)), .optional),
        ], "Opens a session on a file and tells its handle; r is the mode unless one is given.",
        examples: [
            ("session open /A/F1 r", "h1 size=6 ver=0 server=m1"),
            ("open /A/new create", "makes the file where it is not there"),
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
        "Writes text at an offset of an open file.",
        examples: [("write h1 0 \"hello world\\n\"", "bytes=12 size=12")], exits: exits)

    private static let append = CommandSpecification(
        "session append", .sessions, [.init("handle", .handle), .init("text", .text)],
        "Writes text at the end of an open file.",
        examples: [("session append h1 \"one more line\\n\"", "bytes=14 size=26")], exits: exits)

    private static let truncate = CommandSpecification(
        "session truncate", .sessions, [.init("handle", .handle), .init("size", .number)],
        "Cuts an open file, or extends it with zeros.", exits: exits)

    private static let sync = CommandSpecification(
        "session sync", .sessions, [.init("handle", .handle)],
        "Brings what was written to the disk of the server.", exits: exits)

    private static let close = CommandSpecification(
        "session close", aliases: ["close"], .sessions, [.init("handle", .handle)],
        "Ends a session; what it wrote is on the disk afterwards.", exits: exits)

    private static let handles = CommandSpecification(
        "handles", .sessions, [.init("server", .server, .optional)],
        "Lists the sessions opened here, or all that a file server has.", exits: exits)

    private static func runOpen(_ session: ShellSession, _ call: Invocation) async throws {
        let path = try await session.onePath(call.operands[0])
        let mode = call.operands.count > 1 ? OpenMode(rawValue: call.operands[1].text) : .read
        let file = try await session.client.open(path, mode ?? .read)
        let name = session.state.withLock { state in
            state.sessionsOpened += 1
            let name = "h\(state.sessionsOpened)"
            state.sessions[name] = file
            return name
        }
        session.output.line(
            "\(name) size=\(file.facts.size) ver=\(file.facts.version) server=\(file.server)")
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
                offset = place + Int64(piece.bytes.readableBytes)
            } else {
                piece = try await file.readNext(count: size)
            }
            session.output.write(Array(piece.bytes.readableBytesView))
            count -= Int64(piece.bytes.readableBytes)
            if piece.isEnd || piece.bytes.readableBytes == 0 { return }
        }
    }

    private static func runWrite(_ session: ShellSession, _ call: Invocation) async throws {
        let file = try session.file(call.operands[0])
        let bytes = ByteBuffer(bytes: call.operands[2].bytes)
        let size = try await file.write(bytes, at: call.number(at: 1) ?? 0)
        session.output.line("bytes=\(bytes.readableBytes) size=\(size)")
    }

    private static func runAppend(_ session: ShellSession, _ call: Invocation) async throws {
        let file = try session.file(call.operands[0])
        let bytes = ByteBuffer(bytes: call.operands[1].bytes)
        let size = try await file.append(bytes)
        session.output.line("bytes=\(bytes.readableBytes) size=\(size)")
    }

    private static func runTruncate(_ session: ShellSession, _ call: Invocation) async throws {
        let size = call.number(at: 1) ?? 0
        try await session.file(call.operands[0]).truncate(to: size)
        session.output.line("size=\(size)")
    }

    private static func runSync(_ session: ShellSession, _ call: Invocation) async throws {
        session.output.line("ver=\(try await session.file(call.operands[0]).sync())")
    }

    private static func runClose(_ session: ShellSession, _ call: Invocation) async throws {
        let file = try session.file(call.operands[0])
        let name = call.operands[0].text
        // The handle is gone whatever the server answers.
        _ = session.state.withLock { $0.sessions.removeValue(forKey: name) }
        let (size, version) = try await file.close()
        session.output.line("size=\(size) ver=\(version)")
    }

    private static func runHandles(_ session: ShellSession, _ call: Invocation) async throws {
        guard let word = call.operands.first else {
            let sessions = session.state.withLock { $0.sessions }
            for name in session.handleNames {
                guard let file = sessions[name] else { continue }
                session.output.line(
                    "\(name)  \(file.mode.rawValue)  \(file.server)  \(file.path)")
            }
            return
        }
        let servers = try await session.client.servers()
        guard let server = servers.first(where: { $0.id.text == word.text }) else {
            throw ShellFailure(.notFound, "\(word.shown): no such file server")
        }
        for pairs in try await session.client.handles(on: server) {
            let words = pairs.map { "\(ErrorSentence.safe($0.key))=\(Quoting.text($0.value))" }
            session.output.line(words.joined(separator: " "))
        }
    }
}

extension ShellSession {
    /// An open session by its name here.
    func file(_ word: Word) throws -> RemoteFile {
        guard let file = state.withLock({ $0.sessions[word.text] }) else {
            throw ShellFailure(
                .notFound, "\(word.shown): no open session; \"handles\" lists them")
        }
        return file
    }
}
