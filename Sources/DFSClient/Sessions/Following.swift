import DFSProtocol
import DFSTransport
import NIOCore

/// What a follower of a file sees.
public enum FollowEvent: Equatable, Sendable {
    /// Bytes that stand at an offset; what was there is seen first, then what is added.
    case bytes(ByteBuffer, at: Int64)
    /// The file was cut to so many bytes; what comes next stands from there on.
    case truncated(size: Int64)
    /// The file was replaced or removed; all of its bytes were seen, and nothing more comes.
    case end
}

/// A file as it grows, from an offset on; each iteration follows by itself.
///
/// Ends after `FollowEvent.end`, or throws; cancelling the task that iterates ends it too. A lost
/// connection is replaced, and nothing is left out or seen twice. Whoever reads slowly makes the
/// server wait: at most about 4 MiB are kept here. A session that was opened for it ends once the
/// last copy of this and of its iterators is gone.
public struct Following: AsyncSequence, Sendable {
    /// What is seen.
    public typealias Element = FollowEvent
    /// Why no more can be seen.
    public typealias Failure = DFSError

    /// The session that it follows the file by: read what stands before through it.
    public let file: RemoteFile
    /// Where it starts, in bytes from the start of the file.
    public let offset: Int64
    /// The session, where it was opened for this alone and ends with it.
    let ownSession: OwnSession?

    /// Starts at the offset; nothing has been asked yet.
    public func makeAsyncIterator() -> Iterator { Iterator(following: self) }

    /// Sees one event after the other.
    public struct Iterator: AsyncIteratorProtocol {
        private let following: Following
        private var follower: Follower?
        private var isOver = false

        init(following: Following) { self.following = following }

        /// The next event, or nil at the end; waits as long as nothing happens.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(DFSError) -> FollowEvent? {
            if isOver { return nil }
            let follower: Follower
            if let known = self.follower {
                follower = known
            } else {
                follower = Follower(
                    following.file.session, from: following.offset, own: following.ownSession)
                self.follower = follower
            }
            do throws(DFSError) {
                let event = try await follower.next()
                isOver = event == .end
                return event
            } catch {
                isOver = true
                throw error
            }
        }

        /// The next event, or nil at the end; waits as long as nothing happens.
        public mutating func next() async throws(DFSError) -> FollowEvent? {
            try await next(isolation: nil)
        }
    }
}

extension RemoteFile {
    /// The file's bytes from an offset on, and what is added to it as it grows.
    ///
    /// The session can be used beside it.
    /// - Parameter offset: Bytes from the start; behind the end it is `truncated` first.
    public func follow(at offset: Int64) -> Following {
        Following(file: self, offset: offset, ownSession: nil)
    }
}

extension DFSClient {
    /// A file's bytes from an offset on, and what is added to it as it grows.
    ///
    /// - Parameter offset: Bytes from the start; nil for the end as it is now.
    /// - Throws: `not-found`, `server-down`, `denied`; later, while following, `stale-file` where
    ///   the file was replaced while the connection was lost.
    public func follow(
        _ path: TreePath, at offset: Int64? = nil
    ) async throws(DFSError) -> Following {
        let file = try await open(Opening(path: path, mode: .read, acceptsChanges: true))
        return Following(
            file: file, offset: offset ?? file.facts.size, ownSession: OwnSession(file.session))
    }
}
