import DFSProtocol
import Glibc

/// Runs lines one after another: of a file, of standard input, or of `-c`.
struct Script {
    let session: ShellSession
    /// Whether commands are shown before their output.
    var echoes = false
    /// Whether a failure ends the script.
    var keepsGoing = false

    /// Runs the lines of a descriptor as they arrive, as long as results can be written.
    ///
    /// - Returns: The code of the first failure; `ok` where every failure was let pass by its `-`.
    func run(descriptor: Int32) async -> ExitCode {
        var reader = LineReader(descriptor: descriptor)
        var first = ExitCode.ok
        while let line = await reader.next() {
            let code = await run(line)
            if first == .ok { first = code }
            if session.output.isBroken { return ended(first) }
            if session.wantsToQuit || Task.isCancelled { break }
            if code == .interrupted { return code }
            if code != .ok, !keepsGoing { return code }
        }
        if let failure = reader.failure {
            let sentence = LocalFailure.sentence("the script can not be read", failure.number)
            return session.tell(ShellFailure(.failed, sentence))
        }
        return reader.wasTooLong ? session.tell(Script.tooLong) : first
    }

    /// The code of a script whose results go nowhere any more: what was lost is let pass by no `-`.
    private func ended(_ first: ExitCode) -> ExitCode {
        first == .ok && session.output.hasLostResults ? .failed : first
    }

    private static let tooLong = ShellFailure(
        .usage, "a line of a script has at most \(LineReader.limitBytes) bytes")

    /// Runs the commands of one line; one that fails ends the line, and the script too.
    func run(_ line: [UInt8]) async -> ExitCode {
        let commands: [TypedCommand]
        do {
            commands = try LineSplitter.commands(line)
        } catch {
            if echoes { session.output.echo("dfsh> " + ErrorSentence.safe(line)) }
            return session.tell(error)
        }
        if echoes, let first = commands.first, !first.marks.isSilent {
            session.output.echo("dfsh> " + ErrorSentence.safe(line))
        }
        var first = ExitCode.ok
        for command in commands {
            let code = await session.run(command)
            if first == .ok { first = code }
            if session.output.isBroken { return ended(first) }
            if code != .ok && !keepsGoing || session.wantsToQuit { break }
        }
        _ = await session.output.settle()
        return first
    }
}

extension ErrorSentence {
    /// Bytes with what is not for a terminal as escapes, and nothing else changed.
    static func safe(_ bytes: [UInt8]) -> String {
        let quoted = Quoting.quoteAlways(bytes).dropFirst().dropLast()
        var result: [UInt8] = []
        var index = quoted.startIndex
        while index < quoted.endIndex {
            // A backslash that was typed and a quotation mark are harmless: shown as they are.
            let next = quoted.index(after: index)
            if quoted[index] == UInt8(ascii: "\\"), next < quoted.endIndex,
                quoted[next] == UInt8(ascii: "\\") || quoted[next] == UInt8(ascii: "\"")
            {
                result.append(quoted[next])
                index = quoted.index(after: next)
            } else {
                result.append(quoted[index])
                index = next
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

/// Reads a descriptor line by line; sessions that are held are renewed meanwhile.
struct LineReader {
    /// Longest line of a script.
    static let limitBytes = 1_048_576

    private let descriptor: Int32
    private var pending: [UInt8] = []
    private var isAtEnd = false
    /// Whether a line was over the limit; nothing is read after it.
    private(set) var wasTooLong = false
    /// Why the rest could not be read; nil where there was none, or nobody waits for it any more.
    private(set) var failure: LocalFailure?

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// The next line without its end, or nil at the end of the script.
    mutating func next() async -> [UInt8]? {
        while true {
            if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(pending[..<end])
                pending.removeFirst(end + 1)
                return line
            }
            if isAtEnd || pending.count > LineReader.limitBytes {
                wasTooLong = pending.count > LineReader.limitBytes
                defer { pending = [] }
                return pending.isEmpty || wasTooLong ? nil : pending
            }
            await fill()
        }
    }

    private mutating func fill() async {
        do {
            let bytes = try await DescriptorWait.read(descriptor, count: 65_536)
            pending += bytes
            isAtEnd = bytes.isEmpty
        } catch {
            // Half a line is no command.
            pending = []
            isAtEnd = true
            failure = error as? LocalFailure
        }
    }
}
