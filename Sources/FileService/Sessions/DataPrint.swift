/// 64 bits by which data is told from other data; XXH64 with seed 0.
///
/// It guards against mistakes and not against an attacker, who would only fool himself: an `op=`
/// is its client's own. Reads the bytes where they are.
/// - Source: xxHash, `doc/xxhash_spec.md`.
public enum DataPrint {
    private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    /// The print of some bytes.
    public static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var offset = 0
        var print = prime5
        if bytes.count >= 32 { print = stripes(bytes, &offset) }
        print &+= UInt64(bytes.count)
        while offset + 8 <= bytes.count {
            print ^= round(0, word(bytes, offset))
            print = rotated(print, 27) &* prime1 &+ prime4
            offset += 8
        }
        if offset + 4 <= bytes.count {
            let half = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            print ^= UInt64(UInt32(littleEndian: half)) &* prime1
            print = rotated(print, 23) &* prime2 &+ prime3
            offset += 4
        }
        while offset < bytes.count {
            print ^= UInt64(bytes[offset]) &* prime5
            print = rotated(print, 11) &* prime1
            offset += 1
        }
        print = (print ^ print >> 33) &* prime2
        print = (print ^ print >> 29) &* prime3
        return print ^ print >> 32
    }

    /// Takes 32 bytes at a time in four lanes that do not wait for one another.
    private static func stripes(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> UInt64 {
        var (one, two) = (prime1 &+ prime2, prime2)
        var (three, four) = (UInt64(0), 0 &- prime1)
        while offset + 32 <= bytes.count {
            one = round(one, word(bytes, offset))
            two = round(two, word(bytes, offset + 8))
            three = round(three, word(bytes, offset + 16))
            four = round(four, word(bytes, offset + 24))
            offset += 32
        }
        var print =
            rotated(one, 1) &+ rotated(two, 7) &+ rotated(three, 12) &+ rotated(four, 18)
        for lane in [one, two, three, four] {
            print = (print ^ round(0, lane)) &* prime1 &+ prime4
        }
        return print
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
        rotated(lane &+ word &* prime2, 31) &* prime1
    }

    private static func rotated(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value &<< count | value &>> (64 - count)
    }
}
