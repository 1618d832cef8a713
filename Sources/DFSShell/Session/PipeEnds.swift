import CEditLine
import Glibc
import Synchronization

/// A pipe to or from a program: one end stays here, the other one goes there.
final class PipeEnds: Sendable {
    /// The end that stays; valid until it is closed.
    let near: Int32
    /// The end that goes.
    let far: Int32
    private let isNearOpen = Mutex(true)
    private let isFarOpen = Mutex(true)
    private let end = DescriptorWait.Wake()

    /// - Parameter reads: Whether the end that stays is the one to read from.
    /// - Throws: `ShellFailure` where the process may have no more descriptors.
    init(reads: Bool = false) throws {
        var ends: [Int32] = [-1, -1]
        guard dfs_pipe(&ends) == 0 else {
            throw ShellFailure(.failed, LocalFailure.sentence("a pipe", errno))
        }
        (near, far) = reads ? (ends[0], ends[1]) : (ends[1], ends[0])
        // Only this end: what is written must not wait for a reader who was given up.
        _ = fcntl(near, F_SETFL, fcntl(near, F_GETFL) | O_NONBLOCK)
    }

    deinit {
        closeNear()
        closeFar()
    }

    func closeNear() { PipeEnds.close(near, isNearOpen) }

    func closeFar() { PipeEnds.close(far, isFarOpen) }

    private static func close(_ descriptor: Int32, _ isOpen: borrowing Mutex<Bool>) {
        let wasOpen = isOpen.withLock { isOpen in
            defer { isOpen = false }
            return isOpen
        }
        if wasOpen { Glibc.close(descriptor) }
    }

    /// Writes bytes, and waits for the reader; blocks the calling thread.
    ///
    /// Returns false, with `errno`, where nobody reads any more or writing was ended.
    @Sendable func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let (count, number) = writeOnce(rest)
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if number == EAGAIN, waitForReader() {
                continue
            } else if number != EINTR {
                errno = number == EAGAIN ? EPIPE : number
                return false
            }
        }
        return true
    }

    /// Does not wait, so that it may hold the lock that keeps the descriptor ours.
    private func writeOnce(_ bytes: ArraySlice<UInt8>) -> (count: Int, number: Int32) {
        isNearOpen.withLock { isOpen in
            guard isOpen else { return (-1, EPIPE) }
            let count = bytes.withUnsafeBytes { Glibc.write(near, $0.baseAddress, $0.count) }
            return (count, errno)
        }
    }

    private func waitForReader() -> Bool {
        var polled = [
            pollfd(fd: near, events: Int16(POLLOUT), revents: 0),
            pollfd(fd: end.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&polled, 2, end.canWake ? -1 : DescriptorWait.Wake.pauseMilliseconds)
        return !end.isSignalled
    }

    /// Ends a write that waits, and lets the reader see the end.
    func endWriting() {
        end.signal()
        closeNear()
    }

    /// Hands over what comes until its end, or until the task is cancelled and nothing is there.
    func readAll(_ take: (ArraySlice<UInt8>) -> Void) async {
        while true {
            do {
                let bytes = try await DescriptorWait.read(near, count: 65_536)
                if bytes.isEmpty { return }
                take(bytes[...])
            } catch {
                break
            }
        }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(near, &buffer, buffer.count)
            guard count > 0 else { return }
            take(buffer[..<count])
        }
    }

    /// Waits until a byte can be read; false where the other end was closed before.
    func isWritten() async -> Bool {
        // Cancelled, what is waited for did not come.
        (try? await DescriptorWait.read(near, count: 1))?.isEmpty == false
    }
}
