import TestCluster

/// In which pieces the bytes of a section's requests travel; the answers must always be the same.
enum Cutting: String, CaseIterable, Sendable {
    case asIs = "as is"
    /// Each line, and each payload, ends in CR LF.
    case crlf = "with CRLF"
    case oneByOne = "one byte at a time"
    /// All that a block sends in one piece; not where an action or a captured value stands between.
    case oneWrite = "as one write"
}

/// Expected lines of a document that stand together.
struct Expectation {
    /// Position in the document of the first of them, or where they would stand.
    var start: Int
    var lines: [String] = []
    /// Position after the last of them.
    var end: Int

    init(at position: Int) {
        start = position
        end = position
    }

    mutating func append(_ line: String, at position: Int) {
        if lines.isEmpty { start = position }
        lines.append(line)
        end = position + 1
    }
}

/// What a document should have instead of some of its lines.
struct Edit: Equatable {
    var lines: Range<Int>
    var replacement: [String]
}

/// Executes one section against processes of its own.
final class SectionRun {
    let transcript: Transcript
    let cutting: Cutting
    let cluster: Cluster
    var captures: Captures = [:]
    /// Connections that have a name and outlive their blocks.
    var conversations: [String: Conversation] = [:]
    /// What differs, collected where nothing is to fail; nil where a difference is a failure.
    private(set) var edits: [Edit]?

    private init(
        _ transcript: Transcript, _ cutting: Cutting, isUpdating: Bool, _ cluster: Cluster
    ) {
        self.transcript = transcript
        self.cutting = cutting
        self.cluster = cluster
        edits = isUpdating ? [] : nil
    }

    /// Runs a section from its fixture to its end.
    ///
    /// - Returns: What the document should have instead, where `isUpdating`; else nothing.
    /// - Throws: `TranscriptError` with the line, the difference and the ends of the logs.
    @discardableResult
    static func run(
        _ section: Transcript.Section, of transcript: Transcript, _ cutting: Cutting = .asIs,
        isUpdating: Bool = false
    ) throws -> [Edit] {
        let cluster = try Cluster(pace: section.fixture.pace)
        defer { cluster.shutDown() }
        let run = SectionRun(transcript, cutting, isUpdating: isUpdating, cluster)
        do {
            try run.at(section.fixture.position) { try section.fixture.start(in: cluster) }
            for block in section.blocks { try run.execute(block) }
            for (_, conversation) in run.conversations.sorted(by: { $0.key < $1.key }) {
                try run.check(Expectation(at: conversation.position), conversation.finish())
            }
        } catch let error as TranscriptError {
            throw TranscriptError(
                error.position,
                """
                \(transcript.path):\(error.position + 1): does not hold \(cutting.rawValue)
                \(error.text)
                \(cluster.logEnds)
                """)
        }
        return run.edits ?? []
    }

    private func execute(_ block: Transcript.Block) throws {
        switch block.kind {
        case .wire(let server, let name): try executeWire(block, server, name)
        case .shell(let options): try executeShell(block, options)
        case .commands: try executeCommands(block)
        case .actions:
            for (offset, line) in block.lines.enumerated()
            where !line.allSatisfy({ $0 == " " }) && !line.hasPrefix("#") {
                let position = block.start + offset
                try perform(Action(filled(line), position), at: position)
            }
        }
    }

    /// Does what happens to the cluster.
    func perform(_ action: Action, at position: Int) throws {
        if action.isOfConnection {
            throw TranscriptError(position, "this action needs the connection of a dfs-wire block")
        }
        try at(position) { try action.perform(on: cluster) }
    }

    /// Says in which line of the document something failed.
    func at<Result>(_ position: Int, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as TranscriptError {
            throw error
        } catch {
            throw TranscriptError(position, "\(error)")
        }
    }

    /// What is sent or done, with captured values in the place of their names.
    func filled(_ line: String) -> String {
        String(decoding: LinePattern.filled(line, captures), as: UTF8.self)
    }

    /// Holds what was said against what is expected; remembers the placeholders.
    ///
    /// - Returns: Whether it was as expected; always true where a difference throws.
    @discardableResult
    func check(_ expectation: Expectation, _ actual: [String]) throws -> Bool {
        let comparison = Comparison(expectation.lines, actual, captures)
        captures = comparison.captures
        if comparison.holds { return true }
        guard edits == nil else {
            edits?.append(
                Edit(
                    lines: expectation.start..<expectation.end, replacement: comparison.updated))
            return false
        }
        // A line too many is told in the last line before it.
        let last = expectation.lines.count - 1
        throw TranscriptError(
            expectation.start + min(comparison.firstDifference, last),
            comparison.diff(path: transcript.path, start: expectation.start))
    }
}

extension Fixture {
    /// Starts what the fixture names, in its order.
    func start(in cluster: Cluster) throws {
        for server in servers {
            do {
                if server.isNameServer {
                    try cluster.startNameServer(server.id, options: server.options)
                } else if server.isStopped {
                    _ = try cluster.addFileServer(
                        server.id, exports: server.exports, options: server.options)
                } else {
                    try cluster.startFileServer(
                        server.id, exports: server.exports, options: server.options)
                }
            } catch {
                throw TranscriptError(server.position, "\(error)")
            }
        }
    }
}
