import DFSProtocol
import TestCluster

/// What a client was answered during the attack.
struct AttackRecord: Sendable {
    /// How often each verb was asked, and how often it was answered OK.
    var asked: [String: Int] = [:]
    var succeeded: [String: Int] = [:]
    /// Answers that hold something of a canary.
    var leaks: [String] = []
}

/// A client that sends every verb with a path while the attack goes on, and looks at each answer.
struct AttackedClient {
    private(set) var record = AttackRecord()
    private let files: WireConnection
    private let names: WireConnection
    private let needles: [[UInt8]]
    private var turn: Int

    /// - Parameter digest: SHA-256 of a canary in hex.
    init(_ cluster: Cluster, number: Int, digest: String) throws {
        files = try cluster.greeted(by: "fs1")
        names = try cluster.greeted(by: "ns1")
        turn = number * 7
        needles =
            ["CANARY-", "canary-name", " size=\(Arena.canaryBytes) ", "=2001-02-0", digest]
            .map { Array($0.utf8) }
    }

    /// Sends one request, or one session of four, about the next target.
    mutating func step() throws {
        let targets = Arena.targets
        let path = "/a/\(targets[turn % targets.count])"
        let other = "/a/\(targets[(turn * 5 + 3) % targets.count])"
        switch (turn / targets.count + turn) % 13 {
        case 0: try session(path, "r")
        case 1: try session(path, "rw")
        case 2: try session(path, "create")
        case 3: try ask("FETCH \(path)")
        case 4: try ask("STORE \(path) \"by a client\"")
        case 5: try ask("SETATTR \(path) mode=0600 mtime=2026-01-01T00:00:00Z")
        case 6: try ask("LIST \(path)")
        case 7: try ask("STAT \(path)")
        case 8: try ask("DIGEST \(path)")
        case 9: try ask("PULL \(path) source=/b/source")
        case 10: try ask("REMOVE \(path) recursive=yes", names)
        case 11: try ask("RENAME \(path) \(other) replace=yes", names)
        default:
            try ask("LIST \(path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 })")
        }
        turn += 1
    }

    private mutating func session(_ path: String, _ access: String) throws {
        guard let handle = try ask("OPEN \(path) \(access)") else { return }
        try ask("READ \(handle) 0 1000")
        if access != "r" {
            try ask("WRITE \(handle) 0 \"by a session\"")
            try ask("SETATTR \(handle) mode=0644")
            try ask("SYNC \(handle)")
        }
        try ask("CLOSE \(handle)")
    }

    /// Sends a request and looks through all of its answer.
    ///
    /// - Returns: The handle that it gave.
    @discardableResult
    private mutating func ask(_ line: String, _ at: WireConnection? = nil) throws -> String? {
        let verb = String(line.prefix { $0 != " " })
        record.asked[verb, default: 0] += 1
        var handle: String?
        for answer in try (at ?? files).request(line) {
            let bytes = Array(answer.text.utf8) + (answer.payload ?? [])
            for needle in needles where bytes.holds(needle) {
                record.leaks.append("\(line) -> \(answer.text.prefix(200))")
            }
            guard answer.line.kind == .ok else { continue }
            record.succeeded[verb, default: 0] += 1
            handle = answer.line.text("h")
        }
        return handle
    }
}

extension [UInt8] {
    /// Whether some bytes stand in these, in this order and together.
    func holds(_ needle: [UInt8]) -> Bool {
        guard let first = needle.first, count >= needle.count else { return false }
        return indices.dropLast(needle.count - 1).contains { index in
            self[index] == first && self[index..<(index + needle.count)].elementsEqual(needle)
        }
    }
}
