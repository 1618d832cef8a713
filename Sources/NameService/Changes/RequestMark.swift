import DFSProtocol

/// Tells one request from another in 16 bytes: verb, operands and pairs, but neither tag nor `op=`.
///
/// FNV-1a with 128 bits. Two requests of one mark by chance do not happen; a client that makes them
/// on purpose is told its own first answer for its own second request.
struct RequestMark: Hashable {
    /// The mark; every bit counts.
    let bits: UInt128

    init(_ request: Request) {
        var hash = Hash()
        hash.add([UInt8](request.verb.rawValue.utf8))
        for operand in request.operands { hash.add(operand) }
        let pairs = request.options.filter { !$0.key.elementsEqual("op".utf8) }
        for pair in pairs.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            hash.add(pair.key)
            hash.add(pair.value)
        }
        bits = hash.bits
    }

    /// Reads what is kept; nil for any other number of bytes than 16.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        bits = bytes.reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// As it is kept.
    var bytes: [UInt8] { (0..<16).map { UInt8(truncatingIfNeeded: bits >> (120 - $0 * 8)) } }

    private struct Hash {
        var bits: UInt128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d
        static let prime: UInt128 = 0x0000_0000_0100_0000_0000_0000_0000_013b

        mutating func add(_ byte: UInt8) { bits = (bits ^ UInt128(byte)) &* Hash.prime }

        /// Adds bytes with their count before them, so that no two lists look alike.
        mutating func add(_ bytes: [UInt8]) {
            for shift in stride(from: 0, to: 32, by: 8) {
                add(UInt8(truncatingIfNeeded: bytes.count >> shift))
            }
            for byte in bytes { add(byte) }
        }
    }
}
