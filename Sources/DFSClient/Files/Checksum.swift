import Crypto
import NIOCore

/// A SHA-256 that grows with the bytes that pass by.
struct Checksum {
    private var hash = SHA256()

    mutating func update(_ bytes: ByteBuffer) {
        bytes.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
    }

    /// 64 lower-case hexadecimal digits, as `sha256=` has them.
    var text: [UInt8] {
        let digits = [UInt8]("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in hash.finalize() {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return text
    }
}
