import DFSProtocol
import Glibc
import NIOCore
import NIOPosix

/// Keeps connections from taking the last descriptors of the process.
enum DescriptorRoom {
    /// Descriptors that connections leave to the work that was asked for already.
    private static let reserve = 32
    /// How long nobody is accepted after there was no descriptor for somebody.
    private static let pauseMilliseconds: Int64 = 100

    /// Turns away a connection whose socket is among the last descriptors; nil lets it in.
    static func refusal(of channel: any Channel) -> RequestError? {
        // A channel without a descriptor, as tests have, takes none away.
        let number = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self
        ) { Int($0) }
        let limit = current
        guard let number, number >= limit - min(reserve, limit / 8) else { return nil }
        return RequestError(
            .busy, "this server has no descriptor left for another connection; try again",
            fields: [.init("retry", number: 1000)], isFatal: true)
    }

    /// How many descriptors the process may have; it can change while it runs.
    private static var current: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return .max
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// Waits a moment where nobody can be accepted: without it the loop would try for ever.
    static func backoff() -> AcceptBackoffHandler {
        AcceptBackoffHandler(
            shouldForwardIOErrorCaught: false,
            backoffProvider: { _ in .milliseconds(pauseMilliseconds) })
    }
}
