import NIOCore

/// Pieces of one file that are written side by side; of several that fail, the first in the file
/// tells why.
///
/// A server whose disk has refused one piece refuses those behind it because of that, and their
/// answers may be looked at before its own.
enum WrittenPieces {
    /// What became of one piece.
    private struct Outcome: Sendable {
        let offset: Int64
        let count: Int64
        let failure: DFSError?
    }

    private typealias Group = ThrowingTaskGroup<Outcome, any Error>

    /// Writes pieces while `next` gives more, and returns once all of them were answered.
    ///
    /// - Parameter width: How many travel at once.
    /// - Parameter progress: Told after each answer how many bytes are written.
    /// - Throws: What `next` throws; or why a piece was not written.
    static func write(
        to file: RemoteFile, width: Int, progress: (Int64) -> Void = { _ in },
        next: () async throws -> (bytes: ByteBuffer, offset: Int64)?
    ) async throws {
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            var inFlight = 0
            var written: Int64 = 0
            while let (bytes, offset) = try await next() {
                if inFlight >= max(1, width) {
                    written += try await answered(&group)
                    inFlight -= 1
                    progress(written)
                }
                group.addTask { await outcome(of: bytes, at: offset, file) }
                inFlight += 1
            }
            while inFlight > 0 {
                written += try await answered(&group)
                inFlight -= 1
                progress(written)
            }
        }
    }

    private static func outcome(
        of bytes: ByteBuffer, at offset: Int64, _ file: RemoteFile
    ) async -> Outcome {
        let count = Int64(bytes.readableBytes)
        do throws(DFSError) {
            try await file.write(bytes, at: offset)
            return Outcome(offset: offset, count: count, failure: nil)
        } catch {
            return Outcome(offset: offset, count: count, failure: error)
        }
    }

    /// How many bytes the next answer is about.
    ///
    /// - Throws: Why they were not written, or of those that were under way with them, the first.
    private static func answered(_ group: inout Group) async throws -> Int64 {
        guard let outcome = try await group.next() else { return 0 }
        guard var first = outcome.failure else { return outcome.count }
        var offset = outcome.offset
        // Only a disk's failure may be the echo of another one.
        if first.known != .io { group.cancelAll() }
        while let other = try await group.next() {
            guard let failure = other.failure, failure.known != .cancelled, other.offset < offset
            else { continue }
            (first, offset) = (failure, other.offset)
        }
        throw first
    }
}
