import DFSProtocol
import NIOCore

/// The first bytes of a file, as far as somebody has them already; compared before they are used.
public struct FilePrefix: Sendable {
    /// How many bytes it has.
    public private(set) var count: Int64 = 0
    var checksum = Checksum()

    /// Begins without any bytes.
    public init() {}

    /// Adds the bytes that follow.
    public mutating func add(_ bytes: ByteBuffer) {
        checksum.update(bytes)
        count += Int64(bytes.readableBytes)
    }
}

extension DFSClient {
    /// Asks the file server whether a file begins with bytes that are here; they do not travel.
    ///
    /// - Parameter entry: An entry of a listing, or nil; saves the LOCATE.
    /// - Returns: What the server said of the whole file; nil where it begins otherwise, or is
    ///   shorter.
    /// - Throws: As `digest(of:)` does.
    public func begins(
        _ path: TreePath, with prefix: FilePrefix, listedAs entry: Entry? = nil
    ) async throws(DFSError) -> FileFacts? {
        let isThere = entry?.isAvailable ?? false
        var place = try await location(of: path, on: isThere ? entry?.server : nil)
        if place == nil { place = try await locate(path) }
        return try await begins(path, at: place, with: prefix)
    }

    func begins(
        _ path: TreePath, at place: FileLocation?, with prefix: FilePrefix
    ) async throws(DFSError) -> FileFacts? {
        do throws(DFSError) {
            let digest = try await digest(
                of: path, at: place, patience(forWorkOn: prefix.count), first: prefix.count)
            // A range that goes beyond the end is digested as far as there is something.
            guard digest.facts.size >= prefix.count,
                digest.sha256.utf8.elementsEqual(prefix.checksum.text)
            else { return nil }
            return digest.facts
        } catch {
            if error.known == .range { return nil }
            throw error
        }
    }
}
