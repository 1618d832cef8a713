import DFSProtocol
import Glibc

/// `cd`, `pwd` and their counterparts on this machine.
enum LocalCommands {
    static let all: [Command] = [
        Command(row: changeDirectory, run: runChangeDirectory),
        Command(row: workingDirectory, run: runWorkingDirectory),
        Command(row: changeLocal, run: runChangeLocal),
        Command(row: listLocal, run: runListLocal),
        Command(row: localDirectory, run: runLocalDirectory),
        Command(row: program, run: runProgram),
    ]

    private static let changeDirectory = CommandSpecification(
        "cd", .files, [.init("path", .remoteDirectory, .optional)],
        "Changes the working directory; without a path to the top.",
        examples: [
            ("cd ../B", "to the directory B beside this one"),
            ("cd -", "back, and tells where that is"),
        ],
        exits: [.notFound, .unreachable])

    private static let workingDirectory = CommandSpecification(
        "pwd", .files, [], "Shows the working directory.",
        examples: [("pwd", "/docs, where relative paths start")])

    private static let changeLocal = CommandSpecification(
        "lcd", .local, [.init("path", .localDirectory, .optional)],
        "Changes the working directory on this machine; without a path to your home.",
        examples: [("lcd ~/Downloads", "where get puts files and put finds them")],
        exits: [.notFound, .denied])

    private static let listLocal = CommandSpecification(
        "lls", .local, [.init("path", .localPath, .optional)],
        options: [.init("a", "names that begin with a dot too")],
        "Lists a directory on this machine.",
        examples: [("lls -a", "of the working directory, hidden names too")],
        exits: [.notFound, .denied])

    private static let localDirectory = CommandSpecification(
        "lpwd", .local, [], "Shows the working directory on this machine.",
        examples: [("lpwd", "where get puts files and put finds them")])

    private static let program = CommandSpecification(
        "!", .local, [.init("command", .text, .any)],
        "Runs a line with sh on this machine; alone, your own shell.",
        examples: [("!df -h .", "all of the line is for sh, | and ; too")])

    private static func runChangeDirectory(
        _ session: ShellSession, _ call: Invocation
    ) async throws {
        guard let word = call.operands.first else {
            return session.changeDirectory(to: .root)
        }
        let isBack = !word.hasQuotes && word.bytes == [UInt8(ascii: "-")]
        let path = isBack ? session.lastDirectory : try await session.onePath(word)
        let entry = try await session.client.stat(path).entry
        guard entry.kind == .directory else {
            throw ShellFailure(.failed, "\(path): is not a directory")
        }
        session.changeDirectory(to: path)
        if isBack { session.output.line("\(path)", as: ["path": .path(path)]) }
    }

    private static func runWorkingDirectory(
        _ session: ShellSession, _ call: Invocation
    ) async throws {
        let path = session.workingDirectory
        session.output.line("\(path)", as: ["path": .path(path)])
    }

    private static func runChangeLocal(_ session: ShellSession, _ call: Invocation) async throws {
        var path = call.operands.first?.bytes
        if path == nil, let home = getenv("HOME") { path = LocalName.bytes(home) }
        let target = path ?? [TreePath.slash]
        guard LocalName.withPath(target, { chdir($0) }) == 0 else {
            throw LocalFailure.failure(target, errno)
        }
    }

    private static func runListLocal(_ session: ShellSession, _ call: Invocation) async throws {
        let path = call.operands.first?.bytes ?? [UInt8(ascii: ".")]
        let names: [LocalName.Entry]
        do {
            names = try await session.disk.list(try await session.disk.open(directory: path))
        } catch let failure as LocalFailure where failure.number == ENOTDIR {
            return session.output.line(Word.typed(path), as: ["name": .bytes(path)])
        }
        for entry in names where call.has("a") || entry.name.first != UInt8(ascii: ".") {
            let isDirectory = entry.kind == .directory
            session.output.line(
                Word.typed(entry.name) + (isDirectory ? "/" : ""),
                as: ["name": .bytes(entry.name), "type": isDirectory ? "directory" : "file"])
        }
    }

    /// Only for words of the process: in a line, `!` makes the whole of it one for `sh`.
    private static func runProgram(_ session: ShellSession, _ call: Invocation) async throws {
        try await session.runProgram(Array(call.operands.map(\.bytes).joined(separator: [0x20])))
    }

    private static func runLocalDirectory(
        _ session: ShellSession, _ call: Invocation
    ) async throws {
        guard let path = getcwd(nil, 0) else { throw LocalFailure.failure([], errno) }
        defer { free(path) }
        let bytes = LocalName.bytes(path)
        session.output.line(Word.typed(bytes), as: ["path": .bytes(bytes)])
    }
}
