/// Permission bits, 0000 to 0777, written as four octal digits.
public struct FileMode: Hashable, Sendable {
    /// The bits; never more than 0o777.
    public let bits: UInt16

    /// Takes the permission bits of what the system reports and leaves the others away.
    public init(bits: UInt32) { self.bits = UInt16(truncatingIfNeeded: bits & 0o777) }

    /// Reads four octal digits.
    ///
    /// - Throws: `bad-argument` where they are none; `unsupported` for set-id and sticky bits.
    public init(text: [UInt8]) throws(RequestError) {
        guard text.count == 4, text.allSatisfy({ $0 >= 0x30 && $0 < 0x38 }) else {
            throw RequestError(
                .badArgument, "a mode is four octal digits such as 0644",
                fields: [.init("argument", [UInt8]("mode".utf8))])
        }
        let value = text.reduce(UInt16(0)) { $0 << 3 | UInt16($1 - 0x30) }
        guard value <= 0o777 else {
            throw RequestError(
                .unsupported, "set-id and sticky bits are not kept; use 0000 to 0777")
        }
        bits = value
    }

    /// Four octal digits.
    public var text: [UInt8] {
        [9, 6, 3, 0].map { 0x30 + UInt8(bits >> UInt16($0) & 7) }
    }
}
