/// One request, owned, with operands and keys checked against the verb's row for a role.
public struct Request: Sendable {
    /// Where the request's data is.
    public enum Content: Equatable, Sendable {
        /// The verb takes none.
        case none
        /// It stood in the line, as a quoted string or a word.
        case inline([UInt8])
        /// It followed the line; the transport holds the bytes.
        case literal(count: Int)

        /// How many bytes of data there are.
        public var count: Int {
            switch self {
            case .none: 0
            case .inline(let bytes): bytes.count
            case .literal(let count): count
            }
        }
    }

    /// What to do.
    public let verb: Verb
    /// The tag that the answer carries; untagged requests run one after another.
    public let tag: Tag?
    /// The raw operands in their order, without data.
    public let operands: [[UInt8]]
    /// The pairs, in the order in which they were written.
    public let options: [(key: [UInt8], value: [UInt8])]
    /// The data that the request carries.
    public let content: Content

    /// Checks a parsed line against the table of verbs.
    ///
    /// Numbers, choices and modes are checked here; paths, times and names where they are read.
    /// - Parameter literal: The length of the payload that followed the line.
    /// - Throws: `unknown-verb`, `bad-syntax`, `bad-argument`, `unsupported` or `range`.
    public init(
        _ parser: LineParser, line: Span<UInt8>, literal: Int?, role: Role
    ) throws(RequestError) {
        let head = line.extracting(parser.head)
        guard let verb = Verb(head) else { throw Request.unknownVerb(parser, line) }
        guard let row = verb.specification(for: role) else {
            throw RequestError(
                .unknownVerb, "this is the \(role.title), and \(verb.rawValue) is for another role",
                fields: [.init("verb", [UInt8](verb.rawValue.utf8))])
        }
        var operands: [[UInt8]] = []
        var options: [(key: [UInt8], value: [UInt8])] = []
        for index in 0..<parser.argumentCount {
            let value = parser.value(index, in: line)
            if parser[index].isPair {
                options.append((parser.key(index, in: line), value))
            } else {
                operands.append(value)
            }
        }
        content = try Request.takeContent(&operands, row, literal: literal, verb)
        try row.check(operands: operands, of: verb)
        try row.check(options: options, of: verb)
        self.verb = verb
        tag = parser.tag
        self.operands = operands
        self.options = options
    }

    private static func takeContent(
        _ operands: inout [[UInt8]], _ row: VerbSpecification, literal: Int?, _ verb: Verb
    ) throws(RequestError) -> Content {
        guard row.takesData else {
            if literal != nil {
                throw RequestError(.badArgument, "\(verb.rawValue) takes no data")
            }
            return .none
        }
        let hasInline = operands.count >= row.operands.count
        switch (literal, hasInline) {
        case (.some, true):
            throw RequestError(.badArgument, "data is a quoted string or a literal, not both")
        case (.some(let count), false): return .literal(count: count)
        case (nil, true): return .inline(operands.removeLast())
        case (nil, false):
            throw RequestError(.badArgument, "\(verb.rawValue) takes \(row.syntax)")
        }
    }

    /// Tells a word that is no verb of ours from what is no verb at all.
    private static func unknownVerb(_ parser: LineParser, _ line: Span<UInt8>) -> RequestError {
        let head = parser.headBytes(in: line)
        guard head.first?.isASCIILetter == true,
            head.allSatisfy({ $0.isASCIILetter || $0 == UInt8(ascii: "-") })
        else { return RequestError(.badSyntax, "a request starts with a verb; HELP lists them") }
        return RequestError(
            .unknownVerb, "HELP lists the verbs", fields: [.init("verb", Array(head.prefix(32)))])
    }
}

extension Request {
    /// The raw value of a key, or nil where it was not given.
    public func option(_ key: StaticKey) -> [UInt8]? {
        options.first { $0.key.elementsEqual(key.text.utf8) }?.value
    }

    /// A number by its key, or nil where it was not given.
    public func number(_ key: StaticKey) throws(RequestError) -> Int64? {
        guard let value = option(key) else { return nil }
        return try Number.parse(value, named: key.text)
    }

    /// An operand that is a number.
    public func number(at index: Int) throws(RequestError) -> Int64 {
        try Number.parse(try operand(at: index), named: "operand \(index + 1)")
    }

    /// An operand by its position.
    ///
    /// - Throws: `bad-argument` where an optional operand was not given.
    public func operand(at index: Int) throws(RequestError) -> [UInt8] {
        guard operands.indices.contains(index) else {
            throw RequestError(.badArgument, "\(verb.rawValue) needs operand \(index + 1) here")
        }
        return operands[index]
    }

    /// An operand that is a path.
    ///
    /// - Throws: `bad-name` or `name-too-long`.
    public func path(at index: Int = 0) throws(RequestError) -> TreePath {
        try TreePath(try operand(at: index))
    }

    /// What `lease=` asks for, or nil where it was not given.
    public func lease() throws(RequestError) -> Lease? {
        guard let value = option("lease") else { return nil }
        return try Lease(text: value)
    }

    /// The client's own name of the change, or nil where `op=` was not given.
    public func operation() throws(RequestError) -> OperationID? {
        guard let value = option("op") else { return nil }
        return try OperationID(value)
    }

    /// The four octal digits of `mode=`, or nil where they were not given.
    public func mode() throws(RequestError) -> FileMode? {
        guard let value = option("mode") else { return nil }
        return try FileMode(text: value)
    }
}

extension VerbSpecification {
    func check(operands values: [[UInt8]], of verb: Verb) throws(RequestError) {
        let positional = takesData ? Array(operands.dropLast()) : operands
        let least = positional.count { $0.presence == .required }
        let repeats = positional.last?.presence == .repeated
        let minimum = repeats && positional.last?.mayBeAbsent == false ? least + 1 : least
        guard values.count >= minimum, repeats || values.count <= positional.count else {
            throw RequestError(.badArgument, "\(verb.rawValue) takes \(syntax)")
        }
        for (operand, value) in zip(assign(positional, count: values.count), values) {
            try operand.kind.check(value, named: operand.name)
        }
    }

    /// Which operand each value is: optional ones are filled from the left as far as values reach.
    private func assign(_ positional: [Operand], count: Int) -> [Operand] {
        var spare = count - positional.count { $0.presence == .required }
        var result: [Operand] = []
        for operand in positional {
            switch operand.presence {
            case .required: result.append(operand)
            case .optional:
                if spare > 0 { result.append(operand) }
                spare -= 1
            case .repeated:
                result.append(contentsOf: repeatElement(operand, count: max(0, spare)))
            }
        }
        return result
    }

    func check(
        options given: [(key: [UInt8], value: [UInt8])], of verb: Verb
    ) throws(RequestError) {
        for (key, value) in given {
            guard let option = options.first(where: { key.elementsEqual($0.key.utf8) }) else {
                throw RequestError(
                    .badArgument, "\(verb.rawValue) takes \(syntax.isEmpty ? "no keys" : syntax)",
                    fields: [.init("argument", Array(key.prefix(32)))])
            }
            // What a peer says of itself is shown to others, in lines that have a limit.
            guard option.kind != .text || value.count <= Limits.pathBytes else {
                throw RequestError(
                    .badArgument, "\(option.key)= has at most \(Limits.pathBytes) bytes",
                    fields: [.init("argument", [UInt8](option.key.utf8))])
            }
            try option.kind.check(value, named: option.key)
        }
        for option in options where option.isRequired {
            guard given.contains(where: { $0.key.elementsEqual(option.key.utf8) }) else {
                throw RequestError(
                    .badArgument, "\(verb.rawValue) needs \(option.key)=",
                    fields: [.init("argument", [UInt8](option.key.utf8))])
            }
        }
    }
}

extension VerbSpecification.ValueKind {
    /// Refuses what can not be a value of this kind, whatever the server's state.
    func check(_ value: [UInt8], named name: String) throws(RequestError) {
        switch self {
        case .number: _ = try Number.parse(value, named: name)
        case .mode: _ = try FileMode(text: value)
        case .choice(let words):
            guard words.contains(where: { $0.utf8.elementsEqual(value) }) else {
                throw RequestError(
                    .badArgument, "\(name) is \(words.joined(separator: " or "))",
                    fields: [.init("argument", [UInt8](name.utf8))])
            }
        case .serverID:
            guard ServerID.isValid(value) else {
                throw RequestError(
                    .badArgument,
                    "a server id has 1 to 64 letters, digits, dots, dashes or underscores",
                    fields: [.init("argument", [UInt8](name.utf8))])
            }
        case .glob:
            guard value.count <= Limits.patternBytes else {
                throw RequestError(
                    .badArgument, "a pattern has at most \(Limits.patternBytes) bytes",
                    fields: [.init("argument", [UInt8](name.utf8))])
            }
        case .verb:
            guard value.count <= 32 else {
                throw RequestError(
                    .badArgument, "no verb is that long; HELP lists them",
                    fields: [.init("argument", [UInt8](name.utf8))])
            }
        case .lease: _ = try Lease(text: value)
        case .operation: _ = try OperationID(value)
        case .path, .handle, .handleOrPath, .tag, .text, .time, .data: return
        }
    }
}
