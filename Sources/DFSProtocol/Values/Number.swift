/// Decimal numbers as the grammar has them: digits only, no sign, no leading zero.
public enum Number {
    /// Reads a number of 0 to 2^63-1; nil where the text is none or is larger.
    public static func parse(_ text: Span<UInt8>) -> Int64? {
        guard (1...19).contains(text.count), isDigits(text) else { return nil }
        if text[0] == UInt8(ascii: "0") { return text.count == 1 ? 0 : nil }
        var value: Int64 = 0
        for index in 0..<text.count {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(
                Int64(text[index] - UInt8(ascii: "0")))
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }

    /// Reads an argument that must be a number.
    ///
    /// - Throws: `bad-argument` where it is no number, `range` where it is over 2^63-1.
    public static func parse(_ text: [UInt8], named name: String) throws(RequestError) -> Int64 {
        if let value = parse(text.span) { return value }
        if !text.isEmpty, isDigits(text.span), text[0] != UInt8(ascii: "0") {
            throw RequestError(
                .range, "\(name) is over 9223372036854775807",
                fields: [.init("argument", [UInt8](name.utf8))])
        }
        throw RequestError(
            .badArgument, "\(name) is a decimal number without sign or leading zero",
            fields: [.init("argument", [UInt8](name.utf8))])
    }

    private static func isDigits(_ text: Span<UInt8>) -> Bool {
        for index in 0..<text.count where !text[index].isASCIIDigit { return false }
        return true
    }
}
