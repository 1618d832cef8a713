import DFSClient
import DFSProtocol

/// `cat`, `digest` and `stat`: what is in a file, and what is known of it.
enum ContentCommands {
    static let all: [Command] = [
        Command(row: concatenate, run: runConcatenate),
        Command(row: digest, run: runDigest),
        Command(row: status, run: runStatus),
    ]

    private static let concatenate = CommandSpecification(
        "cat", .files, [.init("path", .remotePath, .oneOrMore)],
        "Writes the content of files to standard output.",
        examples: [("cat /A/F1 /A/F2", "one after the other")],
        exits: [.notFound, .denied, .temporary, .unreachable, .integrity, .conflict])

    private static let digest = CommandSpecification(
        "digest", .files, [.init("path", .remotePath, .oneOrMore)],
        "Has files read whole by their servers: SHA-256 of each, as sha256sum writes it.",
        examples: [
            ("digest /A/F1", "after a write that failed it also tells whether the disk has it all")
        ], exits: [.notFound, .denied, .temporary, .unreachable, .conflict])

    private static let status = CommandSpecification(
        "stat", .files, [.init("path", .remotePath, .oneOrMore)],
        "Tells what is known of paths, as of the file server's last report.",
        examples: [("stat /A/F1", "size, times, version, identity and server")],
        exits: [.notFound, .unreachable])

    private static func runConcatenate(_ session: ShellSession, _ call: Invocation) async throws {
        try await session.forEach(try await session.paths(call.operands)) { path in
            _ = try await session.client.fetch(path, verifies: false) { bytes in
                try await session.output.content(bytes.readableBytesView, of: path)
            }
        }
    }

    private static func runDigest(_ session: ShellSession, _ call: Invocation) async throws {
        try await session.forEach(try await session.paths(call.operands)) { path in
            let digest = try await session.client.digest(of: path)
            session.output.line(
                "\(ErrorSentence.safe(digest.sha256))  \(path)",
                as: ["path": .path(path), "sha256": .text(digest.sha256)])
        }
    }

    private static func runStatus(_ session: ShellSession, _ call: Invocation) async throws {
        let paths = try await session.paths(call.operands)
        var isFirst = true
        try await session.forEach(paths) { path in
            let status = try await session.client.stat(path)
            if session.output.isJSON {
                let text = try await EntryText(for: [status.entry], client: session.client)
                return session.output.object(text.object(status))
            }
            if !isFirst { session.output.line("") }
            isFirst = false
            var rows = [["path", "\(path)"]]
            for (key, value) in status.pairs where key != "path" {
                rows.append([
                    ErrorSentence.safe(key), value.isEmpty ? "-" : Quoting.text(value),
                ])
            }
            for line in Columns.table(rows) { session.output.line(line) }
        }
    }
}
