import Dispatch
import Glibc
import Synchronization

/// Waits for a descriptor on a thread of its own, and gives up when the task is cancelled.
enum DescriptorWait {
    /// Waits until bytes can be read, and reads them.
    ///
    /// - Returns: The bytes, none at the end.
    /// - Throws: `LocalFailure`; `CancellationError`.
    static func read(_ descriptor: Int32, count: Int) async throws -> [UInt8] {
        while true {
            do {
                return try await readOnce(descriptor, count: count)
            } catch let failure as LocalFailure where failure.number == EAGAIN {
                // Somebody else who has it open was quicker.
                continue
            }
        }
    }

    private static func readOnce(_ descriptor: Int32, count: Int) async throws -> [UInt8] {
        let answer = await run(descriptor, events: Int16(POLLIN)) {
            var buffer = [UInt8](repeating: 0, count: count)
            while true {
                let count = Glibc.read(descriptor, &buffer, buffer.count)
                if count >= 0 {
                    return Result<[UInt8], LocalFailure>.success(Array(buffer[..<count]))
                }
                if errno != EINTR { return .failure(LocalFailure(path: [], number: errno)) }
            }
        }
        guard let answer else { throw CancellationError() }
        return try answer.get()
    }

    /// Waits until nobody reads any more what is written to a descriptor, or the task is cancelled.
    ///
    /// A file has no reader that could go away: there it waits for the cancellation.
    static func hangUp(of descriptor: Int32, or end: Wake = Wake()) async {
        _ = await run(descriptor, events: 0, or: end) {}
    }

    private static func run<Answer: Sendable>(
        _ descriptor: Int32, events: Int16, or end: Wake = Wake(),
        then body: @escaping @Sendable () -> Answer
    ) async -> Answer? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                DispatchQueue(label: "dfsh.wait").async {
                    let isReady = wait(descriptor, events, or: end)
                    continuation.resume(returning: isReady ? body() : nil)
                }
            }
        } onCancel: {
            end.signal()
        }
    }

    /// - Returns: false where the wait was ended.
    private static func wait(_ descriptor: Int32, _ events: Int16, or end: Wake) -> Bool {
        var polled = [
            pollfd(fd: end.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: events, revents: 0),
        ]
        while true {
            let count = poll(&polled, 2, end.canWake ? -1 : Wake.pauseMilliseconds)
            if count < 0, errno == EINTR { continue }
            if count < 0 || end.isSignalled { return false }
            if polled[1].revents == 0 { continue }
            // One that is closed says nothing of a reader; reading it fails by itself.
            guard events == 0, polled[1].revents & Int16(POLLNVAL) != 0 else { return true }
            polled[1].fd = -1
        }
    }

    /// Ends a `poll` from elsewhere, by closing the other end of a connection.
    final class Wake: Sendable {
        /// How often a poll that can not be woken looks whether it is to end.
        static let pauseMilliseconds: Int32 = 200

        /// -1 where the process has no descriptor left: poll leaves it out.
        let descriptor: Int32
        private let other: Mutex<Int32?>
        private let isEnded = Atomic(false)

        /// - Parameter ends: Two that are joined; nil where there are no more.
        init(_ ends: (Int32, Int32)? = Wake.pair()) {
            descriptor = ends?.0 ?? -1
            other = Mutex(ends?.1)
        }

        private static func pair() -> (Int32, Int32)? {
            var ends: [Int32] = [-1, -1]
            let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            return socketpair(AF_UNIX, kind, 0, &ends) == 0 ? (ends[0], ends[1]) : nil
        }

        var canWake: Bool { descriptor >= 0 }

        var isSignalled: Bool { isEnded.load(ordering: .acquiring) }

        func signal() {
            isEnded.store(true, ordering: .releasing)
            let end = other.withLock { end in
                defer { end = nil }
                return end
            }
            if let end { close(end) }
        }

        deinit {
            signal()
            if canWake { close(descriptor) }
        }
    }
}
