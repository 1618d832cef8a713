import Crypto
import DFSProtocol
import FileService

/// SHA-256 over what a file holds.
enum Digest {
    private static let chunkBytes = 1 << 20

    /// Lower-case hex of a digest.
    static func hexadecimal(_ digest: SHA256.Digest) -> [UInt8] {
        let digits = [UInt8]("0123456789abcdef".utf8)
        return digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }

    /// Reads a file, or the part of it that a range covers.
    ///
    /// - Parameter isWanted: Asked before each megabyte; false ends it.
    /// - Returns: Lower-case hex; of nothing where the range begins past the end.
    static func sha256(
        _ file: some OpenFile, _ range: (offset: Int64, count: Int64)? = nil,
        isWanted: () -> Bool = { true }
    ) throws(RequestError) -> [UInt8] {
        var hash = SHA256()
        var offset = range?.offset ?? 0
        var rest = range?.count ?? .max
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkBytes, alignment: 16)
        defer { buffer.deallocate() }
        while rest > 0 {
            if !isWanted() {
                throw RequestError(.cancelled, "nobody waits for the digest any more")
            }
            let size = Int(min(Int64(chunkBytes), rest))
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<size])
            let count = try file.read(at: offset, into: part)
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: part[..<count]))
            offset += Int64(count)
            rest -= Int64(count)
            if count < size { break }
        }
        return hexadecimal(hash.finalize())
    }
}
