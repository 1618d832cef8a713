import DFSClient
import DFSProtocol

/// `ls`, `find` and `du`: what is there, with what can not be had marked.
enum ListingCommands {
    static let all: [Command] = [
        Command(row: list, run: ListCommand.run),
        Command(row: find, run: runFind),
        Command(row: tree, run: TreeCommand.run),
        Command(row: usage, run: runUsage),
    ]

    private static let list = CommandSpecification(
        "ls", .files, [.init("path", .remotePath, .any)],
        options: [
            .init("l", "a line each: kind, bytes, last change in UTC, server, state, name"),
            .init("1", "one name a line, also on a terminal"),
            .init("h", "with -l: sizes with units of 1024 bytes"),
            .init("t", "newest first"),
            .init("S", "largest first"),
            .init("r", "the other way round"),
            .init("a", "names that begin with a dot too"),
            .init("R", "directories below, too"),
        ],
        "Lists directories and files; those on servers that are down stay listed and are marked.",
        examples: [
            ("ls", "the working directory"),
            ("ls -l /docs", "sizes, times and servers"),
            ("ls -lhS /docs", "the same, the largest first, sizes with units"),
            ("ls *.txt", "every name that fits; in quotes it is the one file of that name"),
        ], exits: [.notFound, .temporary, .unreachable])

    private static let find = CommandSpecification(
        "find", .files, [.init("path", .remotePath, .any)],
        options: [
            .init(
                "name", "only names that fit, quoted or not: * ? and [a-z], in the last part",
                value: .pattern),
            .init(
                "type", "only files (f, file), or only directories (d, dir)",
                value: .choice(["f", "d", "file", "dir"])),
        ], "Lists everything below paths, a path a line, a directory before what is in it.",
        examples: [
            ("find", "everything below the working directory"),
            ("find /docs -name '*.md' -type f", "every Markdown file below /docs"),
            ("find / -type d", "every directory of the tree"),
        ],
        exits: [.notFound, .unreachable])

    private static let tree = CommandSpecification(
        "tree", .files, [.init("path", .remoteDirectory, .optional)],
        options: [.init("a", "names that begin with a dot too")],
        "Draws everything below a directory.", examples: [("tree /A", "the tree below /A")],
        exits: [.notFound, .unreachable])

    private static let usage = CommandSpecification(
        "du", .files, [.init("path", .remotePath, .any)],
        options: [.init("h", "sizes with units")],
        "Counts bytes, files and directories below paths.",
        examples: [("du -h /", "bytes with a unit, files and directories in the whole tree")],
        exits: [.notFound, .unreachable])

    private static func runFind(_ session: ShellSession, _ call: Invocation) async throws {
        let tops =
            call.operands.isEmpty
            ? [session.workingDirectory] : try await session.paths(call.operands)
        let kind: Entry.Kind? = call.value("type").map {
            $0.text.hasPrefix("f") ? .file : .directory
        }
        try await session.forEach(tops) { top in
            let found = session.client.find(
                top, pattern: call.value("name")?.bytes, kind: kind)
            var pages = found.makeAsyncIterator()
            while let page = try await pages.nextPage(), !session.output.isBroken {
                let text = try await EntryText(for: page, client: session.client)
                for entry in page {
                    session.output.line(
                        EntryText.name(entry, entry.path.bytes) + text.mark(entry),
                        as: text.object(entry))
                }
                await session.output.awaitRoom()
            }
        }
    }

    private static func runUsage(_ session: ShellSession, _ call: Invocation) async throws {
        let tops =
            call.operands.isEmpty
            ? [session.workingDirectory] : try await session.paths(call.operands)
        var rows: [[String]] = []
        // What could be counted is told, whatever became of the others.
        defer {
            for line in Columns.table(rows, rightAligned: [0, 1, 2]) { session.output.line(line) }
        }
        try await session.forEach(tops) { top in
            let usage = try await session.client.diskUsage(top)
            if session.output.isJSON {
                session.output.object([
                    "path": .path(top), "bytes": .number(usage.bytes),
                    "files": .number(usage.files), "directories": .number(usage.directories),
                ])
                return
            }
            let bytes = call.has("h") ? Amounts.human(usage.bytes) : "\(usage.bytes)"
            let directories =
                usage.directories == 1 ? "1 directory" : "\(usage.directories) directories"
            rows.append([bytes, Amounts.count(usage.files, "file"), directories, "\(top)"])
        }
    }
}
