import DFSProtocol
import Glibc
import Testing

/// Protocol.md says what the sources say: tables of verbs, of error codes, of limits.
///
/// `UPDATE_TRANSCRIPTS=1` rewrites the tables between their markers instead of comparing them.
@Suite(.serialized) struct DocumentTests {
    /// The tables by the name in their opening marker.
    static let tables: [(name: String, end: String, rows: [String])] = [
        ("verbs:every", "/verbs", table(of: Verb.allCases.filter(isCommon), on: .name)),
        ("verbs:name", "/verbs", table(of: ofName.filter { !isForServers($0) }, on: .name)),
        ("verbs:servers", "/verbs", table(of: ofName.filter(isForServers), on: .name)),
        (
            "verbs:file", "/verbs",
            table(of: Verb.all(for: .file).filter { !isCommon($0) }, on: .file)
        ),
        ("errors", "/errors", errors), ("limits", "/limits", limits),
    ]

    private static let ofName = Verb.all(for: .name).filter { !isCommon($0) }

    private static func isCommon(_ verb: Verb) -> Bool {
        verb.specifications.contains { $0.roles == Role.allCases }
    }

    private static func isForServers(_ verb: Verb) -> Bool {
        [.register, .report, .heartbeat, .goodbye, .done].contains(verb)
    }

    private static func table(of verbs: [Verb], on role: Role) -> [String] {
        let rows = verbs.compactMap { verb -> String? in
            guard let row = verb.specification(for: role) else { return nil }
            let syntax = row.syntax.replacing("|", with: "\\|")
            let request = syntax.isEmpty ? verb.rawValue : "\(verb.rawValue) \(syntax)"
            let effect = row.effect == .reads ? "reads" : "changes"
            return
                "| `\(request)` | \(effect) | \(row.isRepeatable ? "yes" : "no") | \(row.summary) |"
        }
        return ["| request | effect | may be repeated | |", "|---|---|---|---|"] + rows
    }

    private static let errors: [String] =
        ["| code | about | what happened, and what to do |", "|---|---|---|"]
        + ErrorCode.allCases.map { "| `\($0.rawValue)` | \($0.group.rawValue) | \($0.meaning) |" }

    private static let limits: [String] = {
        let limits = Limits()
        let rows: [(String, Int64, String)] = [
            ("line, without its end", Int64(limits.lineBytes), "bytes; `max-line=`"),
            ("payload", Int64(limits.payloadBytes), "bytes; `max-data=`"),
            (
                "payload that is read and dropped", Int64(limits.droppedPayloadFactor),
                "times `max-data`"
            ),
            (
                "tagged requests in flight", Int64(limits.taggedRequests),
                "a connection; `max-tagged=`"
            ),
            ("open handles", Int64(limits.handlesPerConnection), "a connection; `max-handles=`"),
            ("sessions, those without a connection among them", Int64(limits.handles), "a server"),
            ("a lease, and waiting for a lock", limits.leaseMilliseconds, "ms"),
            ("an answer is kept for a repeat with its `op=`", limits.operationMilliseconds, "ms"),
            ("answers kept so", Int64(limits.operations), "a file server"),
            ("requests read ahead", Int64(limits.waitingRequests), "a connection"),
            ("data of requests read ahead", Int64(limits.waitingBytes), "bytes a connection"),
            ("output that the peer has not read", Int64(limits.unsentBytes), "bytes a connection"),
            ("an incomplete request may stand still", limits.partialLineMilliseconds, "ms"),
            ("an idle connection stays open", limits.idleMilliseconds, "ms"),
            ("malformed requests in a row", Int64(limits.malformedInARow), ""),
            ("connections", Int64(limits.connections), "a server"),
            ("pairs in one line", Int64(Limits.pairsInLine), ""),
            ("a name", Int64(Limits.componentBytes), "bytes"),
            ("a path", Int64(Limits.pathBytes), "bytes"),
            ("a pattern", Int64(Limits.patternBytes), "bytes"),
            ("a text after `key=`", Int64(Limits.pathBytes), "bytes"),
            ("`client=` of HELLO", Int64(Limits.clientNameBytes), "bytes"),
            ("items of one LIST or FIND", Int64(Limits.listItems), ""),
            ("text of one LIST or FIND", Int64(Limits.listBytes), "bytes, about"),
            ("data of one READ as=text", Int64(limits.textBytes), "bytes"),
        ]
        return ["| what | most | |", "|---|---|---|"] + rows.map { "| \($0) | \($1) | \($2) |" }
    }()

    @Test(arguments: tables.map(\.name))
    func `the document's tables are those of the sources`(name: String) throws {
        let table = try #require(Self.tables.first { $0.name == name })
        var lines = try Self.document()
        let start = try #require(lines.firstIndex(of: "<!-- \(name) -->"), "no marker for \(name)")
        let end = try #require(lines[start...].firstIndex(of: "<!-- \(table.end) -->"))

        if getenv("UPDATE_TRANSCRIPTS") != nil, getenv("CI") == nil {
            lines.replaceSubrange((start + 1)..<end, with: table.rows)
            try Self.write(lines)
        } else {
            #expect(Array(lines[(start + 1)..<end]) == table.rows)
        }
    }

    @Test(arguments: Verb.allCases)
    func `every verb has a place in the document`(verb: Verb) throws {
        let headings = try Self.document().filter { $0.hasPrefix("### ") }

        for role in verb.specifications.count == 1 ? [Role?.none] : Role.allCases.map(Optional.some)
        {
            let suffix = role.map { $0 == .name ? " (name server)" : " (file server)" } ?? ""
            #expect(headings.contains("### \(verb.rawValue)\(suffix)"))
        }
    }

    @Test func `the document has no place for a verb that is not there`() throws {
        let words = try Self.document().filter { $0.hasPrefix("### ") }
            .compactMap { $0.dropFirst(4).split(separator: " ").first }
            .filter { word in word.allSatisfy { $0.isUppercase && $0.isASCII } }

        #expect(words.allSatisfy { verb(Array($0.utf8)) != nil }, "\(words)")
    }

    private static let path: String = {
        let here = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false)
        return here.dropLast(4).joined(separator: "/") + "/Protocol.md"
    }()

    private static func document() throws -> [String] {
        let file = try #require(fopen(path, "r"), "\(path) can not be read")
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = fgetc(file), byte != EOF {
            bytes.append(UInt8(truncatingIfNeeded: byte))
        }
        return String(decoding: bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    private static func write(_ lines: [String]) throws {
        let file = try #require(fopen(path, "w"), "\(path) can not be written")
        defer { fclose(file) }
        fputs(lines.joined(separator: "\n"), file)
    }
}
