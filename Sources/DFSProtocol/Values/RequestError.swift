/// Why a request was refused: a code for programs, fields for both, a sentence for people.
///
/// It is what every core throws and what `LineWriter.error` writes.
public struct RequestError: Error, Equatable, Sendable {
    /// One `key=value` of the error line, in the order in which it is written.
    public struct Field: Equatable, Sendable {
        /// Names the value; a `key` of the grammar.
        public var key: StaticKey
        /// The raw value; quoted when written.
        public var value: [UInt8]

        /// Pairs a key with raw bytes.
        public init(_ key: StaticKey, _ value: [UInt8]) {
            self.key = key
            self.value = value
        }

        /// Pairs a key with a decimal number.
        public init(_ key: StaticKey, number: some BinaryInteger) {
            self.init(key, [UInt8](String(number).utf8))
        }
    }

    /// The wire word; what programs decide by.
    public var code: ErrorCode
    /// What the refusal is about: path, server, limit.
    public var fields: [Field]
    /// A sentence for a person that says what to do next.
    ///
    /// Never parsed.
    public var advice: String
    /// Whether the sender closes the connection after this line.
    public var isFatal: Bool

    /// Builds a refusal; the advice should say what to do next.
    public init(
        _ code: ErrorCode, _ advice: String, fields: [Field] = [], isFatal: Bool = false
    ) {
        self.code = code
        self.fields = fields
        self.advice = advice
        self.isFatal = isFatal
    }

    /// Builds a refusal about one path, which stands first among the fields.
    public init(_ code: ErrorCode, path: TreePath, _ advice: String, fields: [Field] = []) {
        self.init(code, advice, fields: [Field("path", path.bytes)] + fields)
    }

    /// The raw value of a field, or nil where the error does not carry it.
    public func field(_ key: StaticKey) -> [UInt8]? {
        fields.first { $0.key == key }?.value
    }
}

/// A key that stands in our source, so that no byte of a peer can become one.
public struct StaticKey: Hashable, Sendable, ExpressibleByStringLiteral {
    /// The key as it is written before `=`.
    public let text: String

    /// Takes a literal.
    public init(stringLiteral value: String) { text = value }
}
