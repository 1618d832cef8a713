import DFSProtocol
import TestCluster

/// What one client of the kill cycles was told, and what must therefore be on the disk.
///
/// A client decides every unanswered request before it goes on, so that this is exact.
struct CycleRecord: Sendable {
    /// Contents of whole files; nil where there must be none.
    var files: [String: [UInt8]?] = [:]
    /// Records of the files that are appended to, in order.
    var logs: [String: [[UInt8]]] = [:]
    var acknowledged = 0
    /// Requests without an answer, by what became of them.
    var applied = 0
    var notApplied = 0
    var repeated = 0
    /// Files that were removed and made again.
    var remade = 0
    /// Files that were renamed, and had another identity after the kill of their server.
    var identitiesLost = 0
    /// Sentences about answers that were not true, found while it worked.
    var lies: [String] = []

    /// Bytes of a record in a log.
    static let recordBytes = 64

    mutating func add(_ other: CycleRecord) {
        files.merge(other.files) { $1 }
        logs.merge(other.logs) { $1 }
        acknowledged += other.acknowledged
        applied += other.applied
        notApplied += other.notApplied
        repeated += other.repeated
        remade += other.remade
        identitiesLost += other.identitiesLost
        lies += other.lies
    }

    /// Holds what a server has now against what it said.
    ///
    /// - Returns: A sentence for each answer that was not true, those of before among them.
    func lies(of server: ClusterServer) throws -> [String] {
        let connection = try WireConnection(to: try server.endpoint)
        _ = try connection.readLine()
        var lies = self.lies
        for (path, contents) in files.sorted(by: { $0.key < $1.key }) {
            let found = try CycleRecord.contents(of: path, connection)
            if found != contents {
                lies.append("\(path) holds \(shown(found)) and not \(shown(contents))")
            }
        }
        for (path, records) in logs.sorted(by: { $0.key < $1.key }) {
            let found = try CycleRecord.contents(of: path, connection) ?? []
            lies += CycleRecord.differences(of: path, found, from: records)
        }
        return lies
    }

    /// Holds the catalogue against what was said, once all reports have come.
    ///
    /// - Returns: A sentence for each name that is there and should not be, or the other way round.
    func lies(ofNames server: ClusterServer) throws -> [String] {
        let connection = try WireConnection(to: try server.endpoint)
        _ = try connection.readLine()
        let deadline = Deadline()
        var wanted = files.mapValues { $0 != nil }
        for path in logs.keys { wanted[path] = true }
        return try wanted.sorted { $0.key < $1.key }.compactMap { path, isThere in
            var last = ""
            while !deadline.isOver {
                guard let final = try connection.request("LOCATE \(path)").last else { break }
                last = final.text
                switch final.line.kind {
                case .ok where isThere: return nil
                case .error("not-found", _) where !isThere: return nil
                default: continue
                }
            }
            return "\(path) is \(isThere ? "there" : "gone"), and the name server says: \(last)"
        }
    }

    private func shown(_ contents: [UInt8]?) -> String {
        contents.map { FileSystem.shown($0.prefix(200)) } ?? "nothing"
    }

    /// A whole file, in pieces; nil where there is none.
    static func contents(of path: String, _ connection: WireConnection) throws -> [UInt8]? {
        var contents: [UInt8] = []
        while true {
            let line = "FETCH \(path) \(contents.count) 65536"
            guard let final = try connection.request(line).last else { return nil }
            if final.line.kind == .error(code: "not-found", isFatal: false) { return nil }
            guard final.line.kind == .ok, let payload = final.payload else {
                throw TestFailure("\(line): \(final.text)")
            }
            contents += payload
            if final.line.text("eof") == "yes" { return contents }
        }
    }

    /// What a log has too much, too little or elsewhere.
    static func differences(
        of path: String, _ contents: [UInt8], from records: [[UInt8]]
    ) -> [String] {
        let found = stride(from: 0, to: contents.count, by: recordBytes).map {
            Array(contents[$0..<min($0 + recordBytes, contents.count)])
        }
        if found == records { return [] }
        var counts: [[UInt8]: Int] = [:]
        for record in found { counts[record, default: 0] += 1 }
        var sentences: [String] = []
        for record in records {
            let count = counts.removeValue(forKey: record) ?? 0
            if count == 0 { sentences.append("\(path) has lost \(FileSystem.shown(record))") }
            if count > 1 {
                sentences.append("\(path) has \(count) times \(FileSystem.shown(record))")
            }
        }
        for record in counts.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            sentences.append("\(path) has what was not appended: \(FileSystem.shown(record))")
        }
        return sentences.isEmpty ? ["\(path) has its records in another order"] : sentences
    }
}
