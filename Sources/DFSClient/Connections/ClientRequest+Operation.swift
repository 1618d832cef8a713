import DFSProtocol
import DFSTransport

extension ClientRequest {
    /// Gives the change a name of its own, by which a server knows a repetition and does it once.
    ///
    /// 128 bits of the system's generator as 32 hexadecimal digits; a copy keeps the name.
    /// - Returns: The name.
    @discardableResult
    mutating func nameOperation() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        var digits: [UInt8] = []
        for _ in 0..<2 {
            let word = generator.next() as UInt64
            for shift in stride(from: 60, through: 0, by: -4) {
                digits.append(ClientRequest.digits[Int(word >> UInt64(shift) & 15)])
            }
        }
        operation(digits)
        return digits
    }

    private static let digits = [UInt8]("0123456789abcdef".utf8)
}
