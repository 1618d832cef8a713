/// One verb on one role: the row from which parsing, HELP, completion and Protocol.md derive.
public struct VerbSpecification: Sendable {
    /// What a value means; decides how it is checked and how it is completed.
    public enum ValueKind: Equatable, Sendable {
        /// An absolute path in the tree.
        case path
        /// A session, as OPEN named it.
        case handle
        /// A session or a path; what starts with `/` is a path.
        case handleOrPath
        /// 0 to 2^63-1.
        case number
        /// The id of a file server.
        case serverID
        /// A verb of this role.
        case verb
        /// The tag of a request, with its `@`.
        case tag
        /// Any bytes.
        case text
        /// `conn`, or milliseconds, 1 to 2^63-1.
        case lease
        /// The client's own name of one change, 1 to 64 letters, digits, `-`, `_`, `.` or `:`.
        case operation
        /// A pattern for one name, see `Glob`.
        case glob
        /// Four octal digits.
        case mode
        /// RFC 3339, UTC; `now` where the server's clock is meant.
        case time
        /// One of a few words.
        case choice([String])
        /// A quoted string, or a literal in its place.
        case data
    }

    /// A value that stands at a position.
    public struct Operand: Sendable {
        /// Whether the operand may be left out or may come again.
        public enum Presence: Sendable {
            case required
            case optional
            case repeated
        }

        /// How documents and HELP call it.
        public let name: String
        /// What the value means.
        public let kind: ValueKind
        /// Whether it may be left out or may come again.
        public let presence: Presence
        /// Whether a repeated operand may also not be there at all; without meaning for the others.
        public var mayBeAbsent = false
    }

    /// A value that is written `key=value` in any place.
    public struct Option: Sendable {
        /// What stands before `=`.
        public let key: String
        /// What the value means.
        public let kind: ValueKind
        /// Whether a request without it is refused.
        public let isRequired: Bool
    }

    /// What a request does to what others can see.
    public enum Effect: Sendable {
        /// Leaves everything as it was, and may be repeated.
        case reads
        /// Changes files, names, sessions or registrations.
        case changes
    }

    /// The roles that this row is for.
    public let roles: [Role]
    /// The values that stand at positions, in their order.
    public let operands: [Operand]
    /// The values that are written `key=value`, in the order of the documents.
    public let options: [Option]
    /// What the request does to what others can see.
    public let effect: Effect
    /// Whether the request may be sent again when its answer was lost.
    public let isRepeatable: Bool
    /// One sentence for HELP.
    public let summary: String

    init(
        _ roles: [Role], _ operands: [Operand] = [], options: [Option] = [],
        effect: Effect = .reads,
        repeatable: Bool = true, _ summary: String
    ) {
        self.roles = roles
        self.operands = operands
        self.options = options
        self.effect = effect
        isRepeatable = repeatable
        self.summary = summary
    }

    /// Whether the verb takes data, as its last operand or as a literal.
    public var takesData: Bool { operands.last?.kind == .data }

    /// Operands and options as HELP and Protocol.md show them.
    public var syntax: String {
        let positional = operands.map { operand in
            switch operand.presence {
            case .required: operand.kind == .data ? "<\(operand.name)>" : operand.name
            case .optional: "[\(operand.name)]"
            case .repeated:
                operand.mayBeAbsent ? "[\(operand.name)...]" : "\(operand.name)..."
            }
        }
        let keyed = options.map { option in
            var text = option.key + "="
            if case .choice(let words) = option.kind { text += words.joined(separator: "|") }
            return option.isRequired ? text : "[\(text)]"
        }
        return (positional + keyed).joined(separator: " ")
    }
}

extension VerbSpecification.Operand {
    static func required(_ name: String, _ kind: VerbSpecification.ValueKind) -> Self {
        .init(name: name, kind: kind, presence: .required)
    }
    static func optional(_ name: String, _ kind: VerbSpecification.ValueKind) -> Self {
        .init(name: name, kind: kind, presence: .optional)
    }
    static func repeated(
        _ name: String, _ kind: VerbSpecification.ValueKind, mayBeAbsent: Bool = false
    ) -> Self {
        .init(name: name, kind: kind, presence: .repeated, mayBeAbsent: mayBeAbsent)
    }
    static let path = required("path", .path)
    static let handle = required("h", .handle)
    static let data = required("data", .data)
}

extension VerbSpecification.Option {
    static func optional(_ key: String, _ kind: VerbSpecification.ValueKind) -> Self {
        .init(key: key, kind: kind, isRequired: false)
    }
    static func required(_ key: String, _ kind: VerbSpecification.ValueKind) -> Self {
        .init(key: key, kind: kind, isRequired: true)
    }
    static let server = optional("server", .serverID)
    static let mode = optional("mode", .mode)
    static let mtime = optional("mtime", .time)
    static let after = optional("after", .text)
    static let limit = optional("limit", .number)
    static let ifVersion = optional("if-ver", .number)
    static let op = optional("op", .operation)
    static let fileType = optional("type", .choice(["file", "dir"]))
}
