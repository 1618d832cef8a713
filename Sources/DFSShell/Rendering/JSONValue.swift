import DFSProtocol

/// One value of a result or a failure, as `--json` prints it.
enum JSONValue: Equatable, Sendable {
    /// Is there, and is not known.
    case null
    case flag(Bool)
    case number(Int64)
    /// Text of our own, or of a peer where it was read as text.
    case text(String)
    /// Bytes of a name or a file: a string where they are UTF-8, else `{"base64":"..."}`.
    ///
    /// So nothing is lost, and a script that expects a string never works on another name.
    case bytes([UInt8])
    case list([JSONValue])
    case object(JSONObject)

    static func path(_ path: TreePath) -> JSONValue { .bytes(path.bytes) }

    static func path(_ path: TreePath?) -> JSONValue { path.map { .bytes($0.bytes) } ?? .null }

    static func number(_ number: Int64?) -> JSONValue { number.map { .number($0) } ?? .null }

    static func text(_ text: String?) -> JSONValue { text.map { .text($0) } ?? .null }

    /// A time as the wire has it, such as `2026-11-01T08:30:00Z`.
    static func time(_ time: WallTime?) -> JSONValue {
        time.map { .text(String(decoding: $0.text, as: UTF8.self)) } ?? .null
    }

    /// Text that stands for itself in JSON and on a terminal: controls and what hides are escapes.
    func write(to line: inout [UInt8]) {
        switch self {
        case .null: line += "null".utf8
        case .flag(let flag): line += (flag ? "true" : "false").utf8
        case .number(let number): line += "\(number)".utf8
        case .text(let text): JSONValue.write(text, to: &line)
        case .bytes(let bytes):
            if let text = String(validating: bytes, as: UTF8.self) {
                JSONValue.write(text, to: &line)
            } else {
                (["base64": .text(Base64.text(bytes))] as JSONObject).write(to: &line)
            }
        case .list(let values):
            line.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { line.append(UInt8(ascii: ",")) }
                value.write(to: &line)
            }
            line.append(UInt8(ascii: "]"))
        case .object(let object): object.write(to: &line)
        }
    }

    static func write(_ text: String, to line: inout [UInt8]) {
        line.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": line += "\\\"".utf8
            case "\\": line += "\\\\".utf8
            case "\n": line += "\\n".utf8
            case "\t": line += "\\t".utf8
            case "\r": line += "\\r".utf8
            case " "..."~": line.append(UInt8(truncatingIfNeeded: scalar.value))
            default:
                if isHidden(scalar) {
                    for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
                        line += escape(unit).utf8
                    }
                } else {
                    line += String(scalar).utf8
                }
            }
        }
        line.append(UInt8(ascii: "\""))
    }

    private static func isHidden(_ scalar: UnicodeScalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    private static func escape(_ unit: UInt16) -> String {
        let digits = String(unit, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
    init(stringLiteral text: String) { self = .text(text) }
    init(integerLiteral number: Int64) { self = .number(number) }
    init(booleanLiteral flag: Bool) { self = .flag(flag) }
    init(nilLiteral: ()) { self = .null }
}

/// One result or failure as `--json` prints it: its keys stay in the order in which they came.
///
/// How a command tells its results: it hands the text and the object over together, as in
/// `session.output.line("size=\(size)", as: ["size": .number(size)])`; where the text is a table,
/// it asks `session.output.isJSON`, and hands each row over with `session.output.object(row)`.
/// Keys are words of lower case, each of one type (or null), and never taken away again: they
/// stand in the table of Tests/Transcripts/shell-json.md. Numbers are plain: bytes and
/// milliseconds. Names are `.path(path)` or `.bytes(name)`, raw and not quoted. A command that does
/// nothing of this still prints JSON: each line of its text as `{"text":"..."}`. What is no result
/// goes through `complain`, which makes `{"error":...}` of failures and `{"note":...}` of the rest;
/// content of files goes through `content(_:of:)`.
struct JSONObject: Equatable, Sendable, ExpressibleByDictionaryLiteral {
    private var keys: [String] = []
    private var values: [JSONValue] = []

    init(dictionaryLiteral members: (String, JSONValue)...) {
        for (key, value) in members { self[key] = value }
    }

    /// Takes the pairs of an answer as they are; what is digits only is a number.
    init(pairs: [(key: String, value: [UInt8])]) {
        for (key, value) in pairs {
            self[key] = Number.parse(value.span).map { .number($0) } ?? .bytes(value)
        }
    }

    /// The value of a key; one that is set anew stays at its place.
    subscript(key: String) -> JSONValue? {
        get { keys.firstIndex(of: key).map { values[$0] } }
        set {
            let index = keys.firstIndex(of: key)
            switch (index, newValue) {
            case (let index?, let value?): values[index] = value
            case (let index?, nil):
                keys.remove(at: index)
                values.remove(at: index)
            case (nil, let value?):
                keys.append(key)
                values.append(value)
            case (nil, nil): break
            }
        }
    }

    func write(to line: inout [UInt8]) {
        line.append(UInt8(ascii: "{"))
        for (index, (key, value)) in zip(keys, values).enumerated() {
            if index > 0 { line.append(UInt8(ascii: ",")) }
            JSONValue.write(key, to: &line)
            line.append(UInt8(ascii: ":"))
            value.write(to: &line)
        }
        line.append(UInt8(ascii: "}"))
    }

    /// The object on a line of its own, with the newline.
    var line: [UInt8] {
        var line: [UInt8] = []
        write(to: &line)
        return line + [UInt8(ascii: "\n")]
    }
}

/// Bytes as text of 64 harmless characters.
///
/// - Source: RFC 4648, section 4.
enum Base64 {
    private static let digits = [UInt8](
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var group: UInt32 = 0
            for offset in 0..<3 {
                group = group << 8 | (offset < count ? UInt32(bytes[start + offset]) : 0)
            }
            for place in 0..<4 {
                let digit = Int(group >> UInt32(18 - 6 * place) & 63)
                text.append(place <= count ? digits[digit] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
