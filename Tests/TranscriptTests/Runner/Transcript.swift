/// A document that is executed: sections, each with a cluster of its own and what is said to it.
struct Transcript {
    /// One `dfs-cluster` block and all blocks up to the next one.
    struct Section {
        var fixture: Fixture
        var blocks: [Block]
        /// Whether bytes go over the wire in a way that can be cut differently.
        var speaksWire: Bool {
            blocks.contains { if case .wire = $0.kind { true } else { false } }
        }
    }

    /// One fenced block that is executed.
    struct Block {
        enum Kind: Equatable {
            /// ` ```dfs-wire fs1 [as=name] `: a raw connection; a named one outlives the block.
            case wire(server: String, name: String?)
            /// ` ```dfsh [option...] `: commands piped into `dfsh --echo`.
            case shell(options: [String])
            /// ` ```dfs-shell `: commands for `sh`.
            case commands
            /// ` ```dfs-do `: something happens to the cluster.
            case actions
        }
        var kind: Kind
        /// Position in the document of the first line.
        var start: Int
        var lines: [String]
    }

    /// For messages: relative to the top of the project.
    var path: String
    var lines: [String]
    var sections: [Section]

    /// Reads a document.
    ///
    /// - Throws: `TranscriptError` for a language that starts with `dfs` and is unknown, for a
    ///   block before
    ///   the first cluster, for a fixture that can not be read.
    init(path: String, text: String) throws {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        sections = []
        for fence in try Fence.all(in: lines) where fence.language.hasPrefix("dfs") {
            if fence.language == "dfs-cluster" {
                sections.append(Section(fixture: try Fixture(fence), blocks: []))
                continue
            }
            let block = Block(
                kind: try Transcript.kind(of: fence), start: fence.start, lines: fence.lines)
            guard !sections.isEmpty else {
                throw TranscriptError(fence.opening, "no dfs-cluster block stands before this one")
            }
            sections[sections.count - 1].blocks.append(block)
        }
    }

    private static func kind(of fence: Fence) throws -> Block.Kind {
        let arguments = fence.words.dropFirst()
        switch fence.language {
        case "dfs-wire":
            guard let server = arguments.first, arguments.count <= 2 else { break }
            guard let last = arguments.dropFirst().first else {
                return .wire(server: server, name: nil)
            }
            guard last.hasPrefix("as="), last.count > 3 else { break }
            return .wire(server: server, name: String(last.dropFirst(3)))
        case "dfsh": return .shell(options: Array(arguments))
        case "dfs-shell": if arguments.isEmpty { return .commands }
        case "dfs-do": if arguments.isEmpty { return .actions }
        default: break
        }
        throw TranscriptError(
            fence.opening,
            "nobody knows how to run a block ```\(fence.words.joined(separator: " "))")
    }
}
