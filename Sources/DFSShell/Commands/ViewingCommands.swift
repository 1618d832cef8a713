import CEditLine
import DFSClient
import DFSProtocol
import Glibc

/// `head`, `less` and `open`: a part of a file, or all of it in a program of this machine.
enum ViewingCommands {
    static let all: [Command] = [
        Command(row: head, run: runHead),
        Command(row: less, run: runLess),
        Command(row: open, run: runOpen),
    ]

    private static let head = CommandSpecification(
        "head", .files, [.init("path", .remotePath, .oneOrMore)],
        options: [
            .init("n", "how many lines; 10 unless given", value: .number),
            .init("c", "how many bytes, instead of lines", value: .number),
        ],
        "Writes the first lines of files to standard output; no more of them travels.",
        examples: [
            ("head /A/log", "the first 10 lines"), ("head -n 1 /A/a /A/b", "the first of each"),
            ("head -c 100 /A/log", "the first 100 bytes"),
        ], exits: [.notFound, .denied, .temporary, .unreachable, .conflict])

    private static let less = CommandSpecification(
        "less", aliases: ["more"], .files, [.init("path", .remotePath, .oneOrMore)],
        "Shows files in a pager: DFSH_PAGER, else PAGER, else less; without a terminal as cat.",
        examples: [("less /A/log", "it arrives while you read; who leaves early ends that")],
        exits: [.notFound, .denied, .temporary, .unreachable, .conflict])

    private static let open = CommandSpecification(
        "open", .files, [.init("path", .remotePath, .oneOrMore)],
        "Opens files in the desktop's program for their kind, and without a desktop as less does.",
        examples: [
            ("open /A/plan.pdf", "a copy that can not be written; \"edit\" brings changes back"),
            ("open /A/a.txt /A/b.txt", "one after the other; \"session open\" opens a session"),
        ],
        exits: [.notFound, .denied, .temporary, .unreachable, .integrity, .conflict])

    // MARK: - head

    private static func runHead(_ session: ShellSession, _ call: Invocation) async throws {
        if call.has("n"), call.has("c") { throw call.misuse("-n and -c exclude each other") }
        let paths = try await session.paths(call.operands)
        var isFirst = true
        try await session.forEach(paths) { path in
            var part = FileStart(session: session, path: path)
            var piece = try await part.next(atMost: call.number("c"))
            if paths.count > 1, !session.output.isJSON {
                session.output.line("\(isFirst ? "" : "\n")==> \(path) <==")
                isFirst = false
            }
            var left = call.number("c") ?? call.number("n") ?? 10
            while left > 0, let bytes = piece {
                let kept =
                    call.has("c") ? bytes.prefix(Int(clamping: left)) : lines(&left, of: bytes)
                if call.has("c") { left -= Int64(kept.count) }
                try await session.output.content(kept, of: path)
                if left > 0 { piece = try await part.next(atMost: call.has("c") ? left : nil) }
            }
        }
    }

    /// The beginning of a piece that has no more ends of lines than wanted.
    private static func lines(_ left: inout Int64, of bytes: [UInt8]) -> ArraySlice<UInt8> {
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
            left -= 1
            if left == 0 { return bytes[...index] }
        }
        return bytes[...]
    }

    // MARK: - less and open

    private static func runLess(_ session: ShellSession, _ call: Invocation) async throws {
        try await session.forEach(try await session.paths(call.operands)) { path in
            try await session.show(path)
        }
    }

    private static func runOpen(_ session: ShellSession, _ call: Invocation) async throws {
        try await session.forEach(try await session.paths(call.operands)) { path in
            try await session.openInProgram(path)
        }
    }
}

/// A file from its first byte on, as far as somebody wants it.
private struct FileStart {
    let session: ShellSession
    let path: TreePath
    private var place: Int64 = 0
    private var known: (size: Int64, version: Int64, fileID: Int64)?

    /// What one request brings, where nobody wants less.
    private static let stepBytes = 65_536

    init(session: ShellSession, path: TreePath) {
        self.session = session
        self.path = path
    }

    /// The next bytes; nil at the end of the file.
    ///
    /// - Throws: `DFSError`; `stale-file` where the file was changed since the first piece.
    mutating func next(atMost limit: Int64?) async throws -> [UInt8]? {
        if let known, place >= known.size { return nil }
        let count = min(Int(clamping: limit ?? .max), FileStart.stepBytes)
        let (bytes, facts) = try await session.client.fetch(path, offset: place, count: count)
        if let known, known.version != facts.version || known.fileID != facts.fileID {
            throw DFSError(.staleFile, path: path, "the file changed while it was read")
        }
        known = (facts.size, facts.version, facts.fileID)
        place += Int64(bytes.readableBytes)
        return bytes.readableBytes == 0 ? nil : Array(bytes.readableBytesView)
    }
}

extension ShellSession {
    /// The programs that the person wants: what was set goes before what the environment names.
    var programs: ProgramChoice {
        let pager = state.withLock { $0.settings }[.pager]
        return ProgramChoice(setPager: pager.map { String(decoding: $0, as: UTF8.self) })
    }

    /// Shows lines, in the pager where they are more than the terminal has.
    func page(_ lines: [String], as objects: [JSONObject]) async throws {
        var (columns, rows) = (Int32(0), Int32(0))
        dfs_terminal_size(STDOUT_FILENO, &columns, &rows)
        guard output.isTerminal, !output.isJSON, lines.count >= Int(rows),
            !isJob, let command = programs.pager
        else { return show(lines, as: objects) }
        let pipe = try PagerPipe(command: command)
        _ = await output.settle()
        try await withTaskCancellationHandler {
            try pipe.start()
            for line in lines { pipe.output.line(line) }
            _ = await pipe.output.settle()
            _ = await pipe.end()
        } onCancel: {
            pipe.terminate()
        }
        try Task.checkCancellation()
    }

    /// Shows a file in the pager, or writes it where there is none or no terminal.
    func show(_ path: TreePath) async throws {
        if output.isTerminal, !isJob, let pager = programs.pager {
            return try await Pager(session: self, command: pager).show(path)
        }
        _ = try await client.fetch(path, verifies: false) { bytes in
            try await output.content(bytes.readableBytesView, of: path)
        }
    }

    /// Opens a file in the desktop's program for its kind, or shows it.
    ///
    /// The program goes on after dfsh, and so the copy stays.
    func openInProgram(_ path: TreePath) async throws {
        guard let desktop = programs.desktop else { return try await show(path) }
        let copy = try PrivateCopy(of: path.name)
        _ = try await copy.receive(path, from: client, mode: 0o400)
        let code = try await LocalProgram(shell: desktop, copy.path).run()
        guard code == 0 else {
            copy.remove()
            throw ShellFailure(.failed, "\(path): \(desktop) ended with \(code)")
        }
        output.complain("\(path): opened \(Word.typed(copy.path)), a copy of it")
    }
}
