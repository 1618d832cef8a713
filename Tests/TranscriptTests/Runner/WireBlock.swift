import TestCluster

/// The lines of a `dfs-wire` block, in groups: what is sent, then what is answered to it.
struct WireBlock {
    enum Input: Equatable {
        case line(String)
        case payload([UInt8])
        case action(Action)
    }

    struct Group {
        var inputs: [(input: Input, position: Int)] = []
        var expected: Expectation
    }

    var groups: [Group] = []

    /// Whether the greeting is among the expected lines.
    var showsGreeting: Bool { groups.first?.inputs.isEmpty ?? false }

    /// Whether everything can be sent before anything is read, and it means the same.
    var fitsOneWrite: Bool {
        let inputs = groups.flatMap(\.inputs)
        return inputs.enumerated().allSatisfy { index, element in
            switch element.input {
            case .line(let text): LinePattern(text).isLiteral
            case .payload: true
            case .action(.halfClose): index == inputs.count - 1
            case .action: false
            }
        }
    }

    init(_ block: Transcript.Block) throws {
        for (offset, line) in block.lines.enumerated() {
            let position = block.start + offset
            if line.allSatisfy({ $0 == " " }) { continue }
            if let expected = WireBlock.expected(line) {
                if groups.isEmpty { groups.append(Group(expected: Expectation(at: position))) }
                groups[groups.count - 1].expected.append(expected, at: position)
                continue
            }
            let input = try WireBlock.input(line, position)
            if groups.last?.expected.lines.isEmpty != true {
                groups.append(Group(expected: Expectation(at: position)))
            }
            groups[groups.count - 1].inputs.append((input, position))
            groups[groups.count - 1].expected = Expectation(at: position + 1)
        }
    }

    private static func expected(_ line: String) -> String? {
        let isExpected =
            line.hasPrefix("S: ") || line.hasPrefix("S| ") || line == "S! closed" || line == "..."
        return isExpected ? line : nil
    }

    private static func input(_ line: String, _ position: Int) throws -> Input {
        if line == "C:" { return .line("") }
        let text = String(line.dropFirst(3))
        switch line.prefix(3) {
        case "C: ": return .line(text)
        case "C| ": return .payload(try Escapes.bytes(of: text, position))
        case "C! ": return .action(try Action(text, position))
        default:
            throw TranscriptError(
                position, "a line starts with C: C| C! S: S| or is S! closed: \(line)")
        }
    }
}

extension SectionRun {
    func executeWire(_ block: Transcript.Block, _ server: String, _ name: String?) throws {
        let wire = try WireBlock(block)
        let position = block.start
        let earlier = name.flatMap { conversations[$0] }
        let conversation = try at(position) {
            try earlier ?? Conversation(to: try cluster[server])
        }
        if let name { conversations[name] = conversation }
        if earlier == nil, !wire.showsGreeting {
            try at(position) { try conversation.skipGreeting() }
        }
        if cutting == .oneWrite, wire.fitsOneWrite {
            try executeAtOnce(wire, conversation)
        } else {
            for group in wire.groups { try execute(group, conversation) }
        }
        conversation.position = block.start + block.lines.count
        if name == nil {
            try check(Expectation(at: conversation.position), try conversation.finish())
        }
    }

    private func execute(_ group: WireBlock.Group, _ conversation: Conversation) throws {
        for (input, position) in group.inputs {
            try at(position) {
                switch input {
                case .line, .payload:
                    try conversation.send(
                        bytes(of: input), requests: requests(in: input), cutting: cutting)
                case .action(.halfClose): conversation.halfClose()
                case .action(.close): conversation.close()
                case .action(.send(let bytes)):
                    let count = bytes.count { $0 == UInt8(ascii: "\n") }
                    try conversation.send(bytes, requests: count, cutting: cutting)
                case .action(let action): try perform(action, at: position)
                }
            }
        }
        let said = try at(group.expected.start) {
            try conversation.read(expecting: group.expected.lines)
        }
        try check(group.expected, said)
    }

    /// Sends all that a block has to say in one piece, then reads all answers.
    private func executeAtOnce(_ wire: WireBlock, _ conversation: Conversation) throws {
        let inputs = wire.groups.flatMap(\.inputs)
        let start = wire.groups.first?.expected.start ?? 0
        var expected = Expectation(at: start)
        for group in wire.groups {
            for line in group.expected.lines { expected.append(line, at: group.expected.end - 1) }
        }
        expected.start = start
        let said = try at(start) {
            try conversation.send(
                inputs.flatMap { bytes(of: $0.input) },
                requests: inputs.reduce(0) { $0 + requests(in: $1.input) }, cutting: cutting)
            if inputs.last?.input == .action(.halfClose) { conversation.halfClose() }
            return try conversation.read(expecting: expected.lines)
        }
        try check(expected, said)
    }

    private func requests(in input: WireBlock.Input) -> Int {
        guard case .line(let text) = input else { return 0 }
        return text.hasPrefix("#") || text.allSatisfy({ $0 == " " }) ? 0 : 1
    }

    private func bytes(of input: WireBlock.Input) -> [UInt8] {
        let end: [UInt8] = cutting == .crlf ? [0x0D, 0x0A] : [0x0A]
        return switch input {
        case .line(let text): LinePattern.filled(text, captures) + end
        case .payload(let bytes): bytes + end
        case .action: []
        }
    }
}
