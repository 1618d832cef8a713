import DFSProtocol
import TestCluster

/// A raw connection of a transcript, and how many answers it still waits for.
final class Conversation {
    private let connection: WireConnection
    /// Final lines that are to come: one for the greeting, one for each request.
    private(set) var outstanding = 1
    /// Tags of FOLLOWs: as much is waited for as is expected of them, for they have no end.
    private var followed: Set<[UInt8]> = []
    private var isClosed = false
    /// Position in the document of what was said last.
    var position = 0

    /// An answer later than this is none.
    static let patience: Duration = .seconds(15)

    init(to server: ClusterServer) throws {
        connection = try WireConnection(to: server.endpoint, patience: Conversation.patience)
    }

    /// Sends bytes that hold a number of requests.
    func send(_ bytes: [UInt8], requests: Int, cutting: Cutting) throws {
        let tags = Conversation.follows(in: bytes)
        followed.formUnion(tags)
        outstanding += requests - tags.count
        if cutting == .oneByOne {
            try connection.sendOneByOne(bytes)
        } else {
            try connection.send(bytes)
        }
    }

    func halfClose() { connection.halfClose() }

    func close() {
        connection.close()
        isClosed = true
    }

    /// Reads the greeting of a block that does not show it.
    func skipGreeting() throws {
        let line = try connection.readLine()
        guard line.hasPrefix("OK DFS/1 ") else { throw TestFailure("the greeting is \(line)") }
        outstanding -= 1
    }

    /// Reads until every request has its final line, and until what is expected beyond that has
    /// come.
    ///
    /// - Returns: The lines as a transcript has them.
    func read(expecting expected: [String]) throws -> [String] {
        guard !expected.isEmpty else { return [] }
        let wantsEnd = expected.last == "S! closed"
        var notices = expected.count { $0.hasPrefix("S: !") }
        var items = 0
        for line in expected where line.hasPrefix("S: @") {
            let line = [UInt8](line.utf8.dropFirst(3))
            guard let tag = Conversation.tag(of: line), followed.contains(tag) else { continue }
            if Conversation.kind(of: line) == .item { items += 1 } else { outstanding += 1 }
        }
        var lines: [String] = []
        while !isClosed, outstanding > 0 || notices > 0 || items > 0 || wantsEnd {
            do {
                guard let line = try connection.nextLine() else {
                    isClosed = true
                    lines.append("S! closed")
                    break
                }
                lines.append("S: " + Conversation.shown(line))
                lines += try payload(of: line)
                switch Conversation.kind(of: line) {
                case .final: outstanding -= 1
                case .notice: notices -= 1
                case .item:
                    if let tag = Conversation.tag(of: line), followed.contains(tag) { items -= 1 }
                }
            } catch {
                return lines + ["S! \(error)"]
            }
        }
        return lines
    }

    /// Says that nothing more will be sent and reads what still comes: nothing, if all was told.
    func finish() throws -> [String] {
        if isClosed { return [] }
        connection.halfClose()
        isClosed = true
        do {
            return Conversation.shown(try connection.readToEnd()).split(separator: "\n").map {
                "S: " + $0
            }
        } catch {
            return ["S! does not close after the client's half-close: \(error)"]
        }
    }

    private enum Kind { case item, notice, final }

    private static func kind(of line: [UInt8]) -> Kind {
        let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
        let head = words.first?.first == UInt8(ascii: "@") ? words.dropFirst().first : words.first
        switch head.map(Array.init) {
        case [UInt8(ascii: "*")]: return .item
        case [UInt8(ascii: "!")]: return .notice
        default: return .final
        }
    }

    /// The tag with which a line begins.
    private static func tag(of line: [UInt8]) -> [UInt8]? {
        line.first == UInt8(ascii: "@") ? Array(line.prefix { $0 != UInt8(ascii: " ") }) : nil
    }

    /// The tags of the FOLLOWs among requests.
    private static func follows(in bytes: [UInt8]) -> [[UInt8]] {
        bytes.split(separator: UInt8(ascii: "\n")).map(Array.init).filter { line in
            let words = line.split(separator: UInt8(ascii: " "))
            return words.count > 1 && words[1].elementsEqual("FOLLOW".utf8)
        }.compactMap(tag(of:))
    }

    private func payload(of line: [UInt8]) throws -> [String] {
        guard let mark = WireConnection.literal(line) else { return [] }
        let bytes = try connection.read(mark.count)
        let newline = try connection.read(1)
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let shown = lines.enumerated().compactMap { index, part -> String? in
            let isLast = index == lines.count - 1
            return isLast && part.isEmpty
                ? nil : "S| \(Escapes.text(of: part))\(isLast ? "" : "\\n")"
        }
        return newline == [0x0A] ? shown : shown + ["S! no newline after the payload"]
    }

    /// A line as text; a byte that must not be there raw is shown as an escape, and so differs.
    private static func shown(_ line: [UInt8]) -> String { FileSystem.shown(line) }
}
