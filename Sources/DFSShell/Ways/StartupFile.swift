import DFSProtocol
import Glibc

/// The rc file: settings and aliases that a person at a terminal starts with.
///
/// Nothing in it asks a server, so that the first prompt waits for nobody.
struct StartupFile {
    private let path: [UInt8]

    /// The names of the commands that it may hold.
    static let allowed = ["set", "unset", "alias", "unalias", "lcd", "echo"]

    /// Finds the place: `dfsh/rc` below `XDG_CONFIG_HOME` or `~/.config`; nil where there is none.
    static func usual(_ variable: (String) -> String?) -> StartupFile? {
        // A relative path is ignored, as the XDG specification asks for.
        if let configuration = variable("XDG_CONFIG_HOME"), configuration.hasPrefix("/") {
            return StartupFile(path: "\(configuration)/dfsh/rc")
        }
        guard let home = variable("HOME"), home.hasPrefix("/") else { return nil }
        return StartupFile(path: "\(home)/.config/dfsh/rc")
    }

    init(path: String) { self.path = [UInt8](path.utf8) }

    /// Runs its lines; a line that fails is told with its number, and the others run all the same.
    func run(in session: ShellSession) async {
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
        let descriptor = LocalName.withPath(path) { Glibc.open($0, flags) }
        guard descriptor >= 0 else {
            if errno != ENOENT, errno != ENOTDIR {
                session.output.complain(LocalFailure.sentence(shown, errno) + "; it is left out")
            }
            return
        }
        defer { Glibc.close(descriptor) }
        if let reason = refusal(descriptor) {
            session.output.complain("\(shown): \(reason); it is left out")
            return
        }
        var reader = LineReader(descriptor: descriptor)
        var number = 0
        while let line = await reader.next() {
            number += 1
            if await run(line, in: session) != .ok {
                session.output.complain("(that was line \(number) of \(shown))")
            }
        }
    }

    private var shown: String { Word.typed(path) }

    /// Why a file can not be trusted; nil where it can.
    private func refusal(_ descriptor: Int32) -> String? {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            return "is no regular file"
        }
        if status.st_uid != geteuid() { return "belongs to somebody else" }
        if status.st_mode & 0o022 != 0 {
            return "others can write it (chmod go-w takes that away)"
        }
        return nil
    }

    private func run(_ line: [UInt8], in session: ShellSession) async -> ExitCode {
        do {
            for command in try LineSplitter.commands(line) {
                let (words, _) = CommandMarks.take(from: command.words)
                guard let name = words.first, StartupFile.allowed.contains(name.text),
                    command.shell == nil, !command.isBackground
                else {
                    let names = StartupFile.allowed.joined(separator: ", ")
                    throw ShellFailure(
                        .usage,
                        "\(ErrorSentence.safe(command.text)): an rc file holds only \(names)")
                }
                let code = await session.run(command)
                if code != .ok { return code }
            }
        } catch {
            return session.tell(error)
        }
        return .ok
    }
}
