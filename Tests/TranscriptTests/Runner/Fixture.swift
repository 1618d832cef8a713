import DFSProtocol
import TestCluster

/// The processes of a section and the files on their disks before anything is said.
struct Fixture {
    /// One line `name ID` or `file ID mount=/PATH...`; words from the first `--` on are options.
    struct Server {
        var id: String
        var isNameServer: Bool
        var exports: [Cluster.Export]
        var options: [String]
        /// Added and not started, for an action to start it.
        var isStopped: Bool
        var position: Int
    }

    var servers: [Server] = []
    var pace: Pace = .usual
    /// Position in the document of the block.
    var position: Int

    /// All files of a fixture were last changed then: 2026-11-01T08:30:00Z.
    static let mtime: Int64 = 1_793_521_800

    /// Reads a `dfs-cluster` block.
    init(_ fence: Fence) throws {
        position = fence.opening
        var contents: FixtureContents?
        for (offset, line) in fence.lines.enumerated() {
            let number = fence.start + offset
            if let header = try FixtureContents(line, number) {
                if let contents { try add(contents) }
                contents = header
            } else if contents != nil {
                try contents?.append(line, number)
            } else if !line.allSatisfy({ $0 == " " }), !line.hasPrefix("#") {
                try addLine(line, number)
            }
        }
        if let contents { try add(contents) }
    }

    private mutating func addLine(_ line: String, _ number: Int) throws {
        let words = line.split(separator: " ").map(String.init)
        if words[0] == "pace" {
            pace = try Fixture.pace(words.dropFirst(), number)
            return
        }
        guard words.count >= 2, ["name", "file"].contains(words[0]), ServerID(words[1]) != nil
        else {
            throw TranscriptError(
                number, "expected: pace, name ID, file ID mount=/PATH, or -- ID:NAME --")
        }
        var server = Server(
            id: words[1], isNameServer: words[0] == "name", exports: [], options: [],
            isStopped: false, position: number)
        for (index, word) in words.enumerated().dropFirst(2) {
            if word.hasPrefix("--") {
                server.options = Array(words[index...])
                break
            } else if word == "stopped" {
                server.isStopped = true
            } else if word.hasPrefix("mount=/"), !server.isNameServer {
                server.exports.append(Cluster.Export(mount: String(word.dropFirst(6))))
            } else {
                throw TranscriptError(
                    number, "a server takes mount=/PATH, stopped, and options: \(word)")
            }
        }
        if !server.isNameServer, server.exports.isEmpty { server.exports = [Cluster.Export()] }
        servers.append(server)
    }

    private static func pace(_ words: ArraySlice<String>, _ number: Int) throws -> Pace {
        switch Array(words) {
        case ["usual"]: return .usual
        case ["fast"]: return .fast
        default:
            let numbers = words.compactMap { Int($0) }
            guard numbers.count == 3, words.count == 3 else {
                throw TranscriptError(number, "pace is usual, fast, or three times in milliseconds")
            }
            return Pace(beat: numbers[0], suspect: numbers[1], down: numbers[2])
        }
    }

    /// Puts a file where it belongs: a name with a leading slash says which of several mounts.
    private mutating func add(_ file: FixtureContents) throws {
        guard let index = servers.firstIndex(where: { $0.id == file.server }),
            !servers[index].isNameServer
        else { throw TranscriptError(file.position, "there is no file server \(file.server)") }
        var (export, name) = (0, file.name)
        if name.first == UInt8(ascii: "/") {
            let mounts = servers[index].exports.map { $0.mount == "/" ? "/" : $0.mount + "/" }
            guard let found = mounts.firstIndex(where: { name.starts(with: $0.utf8) }) else {
                throw TranscriptError(file.position, "\(file.server) has no mount for this file")
            }
            (export, name) = (found, Array(name.dropFirst(mounts[found].utf8.count)))
        }
        servers[index].exports[export].files.append((name, file.bytes))
        servers[index].exports[export].mtime = Fixture.mtime
    }
}

/// A file of a fixture: `-- fs1:NAME --`, then its lines; `-- fs1:NAME escaped --`, then its bytes
/// in escapes.
private struct FixtureContents {
    var server: String
    var name: [UInt8]
    var isEscaped: Bool
    var position: Int
    var bytes: [UInt8] = []

    /// Reads the header line; nil where the line is none.
    init?(_ line: String, _ number: Int) throws {
        guard line.hasPrefix("-- "), line.hasSuffix(" --"), line.count > 6 else { return nil }
        var text = line.dropFirst(3).dropLast(3)
        isEscaped = text.hasSuffix(" escaped")
        if isEscaped { text = text.dropLast(8) }
        guard let colon = text.firstIndex(of: ":") else {
            throw TranscriptError(number, "a file is -- ID:NAME --")
        }
        server = String(text[..<colon])
        do {
            name = try Quoting.unquote([UInt8](text[text.index(after: colon)...].utf8))
        } catch {
            throw TranscriptError(number, "the file's name is no word and not quoted")
        }
        position = number
    }

    mutating func append(_ line: String, _ number: Int) throws {
        if isEscaped {
            bytes += try Escapes.bytes(of: line, number)
        } else {
            bytes += [UInt8](line.utf8) + [0x0A]
        }
    }
}

/// The escapes of payloads in transcripts: `\n \r \t \\ \xhh`; everything else stands for itself.
enum Escapes {
    static func bytes(of text: String, _ number: Int) throws -> [UInt8] {
        var quoted: [UInt8] = [UInt8(ascii: "\"")]
        var isEscape = false
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\""), !isEscape { quoted.append(UInt8(ascii: "\\")) }
            isEscape = byte == UInt8(ascii: "\\") && !isEscape
            quoted.append(byte)
        }
        do {
            return try Quoting.unquote(quoted + [UInt8(ascii: "\"")])
        } catch {
            throw TranscriptError(number, "the escapes are \\n \\r \\t \\\\ and \\xhh")
        }
    }

    static func text(of bytes: some Collection<UInt8>) -> String {
        let quoted = String(decoding: Quoting.quoteAlways(bytes), as: UTF8.self)
        return quoted.dropFirst().dropLast().split(
            separator: "\\\"", omittingEmptySubsequences: false
        ).joined(separator: "\"")
    }
}
