import DFSProtocol
import Glibc

/// Writes what was said as a transcript that can be executed again.
///
/// What differs from run to run stands as a placeholder: epochs, versions, times, addresses. A
/// token, and the handle of a session that outlives its connection, have a name of their own, which
/// stands in later requests too.
/// - Source: Tests/Transcripts/README.md, "On the wire" and "Placeholders".
struct WireMask {
    /// What the server chose, and the name that stands for it.
    private var names: [[UInt8]: String] = [:]
    private var tokens = 0
    private var handles = 0

    /// A line as the record has it.
    mutating func masked(_ line: WireLine) -> WireLine {
        switch line.mark {
        case .request: WireLine(mark: .request, text: filled(line.text))
        case .reply: WireLine(mark: .reply, text: masked(line.text))
        case .sent, .action, .received, .end: line
        }
    }

    /// A request with the names of what the server chose.
    private func filled(_ text: String) -> String {
        WireMask.tokens(of: text).map { token in
            if let name = names[[UInt8](token.utf8)] { return name }
            guard let (key, value) = WireMask.pair(token), let name = names[[UInt8](value.utf8)]
            else { return token }
            return "\(key)=\(name)"
        }.joined(separator: " ")
    }

    private mutating func masked(_ text: String) -> String {
        let tokens = WireMask.tokens(of: text)
        let isRefusal = tokens.first == "ERR" || tokens.dropFirst().first == "ERR"
        let isItem = tokens.first == "*" || tokens.dropFirst().first == "*"
        let hasStatus = tokens.contains { $0.hasPrefix("uptime=") }
        return tokens.enumerated().map { index, token in
            // The code is the contract, and the sentence may change.
            if isRefusal, index == tokens.count - 1, token.hasPrefix("\"") { return "\"[..]\"" }
            guard let (key, value) = WireMask.pair(token) else { return token }
            return "\(key)=\(masked(value, of: key, isItem: isItem, hasStatus: hasStatus))"
        }.joined(separator: " ")
    }

    private mutating func masked(
        _ value: String, of key: String, isItem: Bool, hasStatus: Bool
    ) -> String {
        if value.isEmpty { return value }
        if key == "token" || key == "h" && value.hasPrefix("s") { return name(of: value, key) }
        let isNumber = !value.isEmpty && value.utf8.allSatisfy { (0x30...0x39).contains($0) }
        if isNumber {
            if let form = WireMask.numbers[key] { return "[\(form)]" }
            return hasStatus || isItem && key == "lease" ? "[N]" : value
        }
        switch key {
        case "addr", "to", "name-server": return "[ADDR]"
        case "mtime", "time": return "[TIME]"
        case "client", "owner": return "[..]"
        default: return value
        }
    }

    private mutating func name(of value: String, _ key: String) -> String {
        if let known = names[[UInt8](value.utf8)] { return known }
        let name: String
        if key == "token" {
            tokens += 1
            name = "[TOKEN\(tokens)]"
        } else {
            handles += 1
            name = "[SESSION\(handles)]"
        }
        names[[UInt8](value.utf8)] = name
        return name
    }

    private static let numbers = [
        "epoch": "EPOCH", "ver": "VER", "fid": "FID", "seen": "MS", "age": "MS", "idle": "MS",
        "uptime": "MS", "retry": "MS", "free": "N", "seq": "N",
    ]

    /// `key` and `value` of an unquoted token with `=` in it.
    private static func pair(_ token: String) -> (String, String)? {
        guard !token.hasPrefix("\""), let sign = token.firstIndex(of: "=") else { return nil }
        return (String(token[..<sign]), String(token[token.index(after: sign)...]))
    }

    /// The parts between spaces that stand outside of quotation marks.
    private static func tokens(of text: String) -> [String] {
        var tokens = [""]
        var (isQuoted, isEscaped) = (false, false)
        for character in text {
            if character == " ", !isQuoted {
                tokens.append("")
                continue
            }
            if character == "\"", !isEscaped { isQuoted.toggle() }
            isEscaped = character == "\\" && !isEscaped
            tokens[tokens.count - 1].append(character)
        }
        return tokens
    }
}

/// The file of `wire --record`: one fenced block, which any document can take in.
final class WireRecord {
    private let descriptor: Int32
    private let path: [UInt8]
    private var mask = WireMask()
    private var isBegun = false
    private var failure: Int32?

    /// Makes the file, or empties it.
    ///
    /// - Throws: `ShellFailure`.
    init(_ path: [UInt8]) throws {
        self.path = path
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        descriptor = LocalName.withPath(path) { Glibc.open($0, flags, 0o600) }
        guard descriptor >= 0 else { throw LocalFailure.failure(path, errno) }
    }

    deinit { Glibc.close(descriptor) }

    /// Begins the block, once the server has told its id.
    func begin(_ server: String) {
        if isBegun { return }
        isBegun = true
        write("```dfs-wire \(server)\n")
    }

    func add(_ line: WireLine) { write(mask.masked(line).written + "\n") }

    /// Ends the block.
    ///
    /// - Throws: `ShellFailure` where something of it could not be written.
    func end() throws {
        if isBegun { write("```\n") }
        isBegun = false
        if let failure { throw LocalFailure.failure(path, failure) }
    }

    private func write(_ text: String) {
        // A record with a gap in it would tell lies: after one loss there is no more.
        if failure == nil, !writeAll([UInt8](text.utf8), to: descriptor) { failure = errno }
    }
}
