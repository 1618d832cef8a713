import DFSProtocol
import Glibc

/// A connection as netcat has it: bytes out, lines in, and a deadline on every wait.
///
/// Belongs to one thread. While it sends it also takes what comes, so that a server that answers
/// before it has read everything holds nobody up.
public final class WireConnection {
    /// Whom it is connected to.
    public let endpoint: Endpoint
    private let descriptor: Int32
    private let patience: Duration
    private var received: [UInt8] = []
    private var taken = 0
    private var isAtEnd = false

    /// Connects; nothing is read.
    ///
    /// - Parameter patience: How long each later wait may take.
    public init(to endpoint: Endpoint, patience: Duration = Deadline.usual) throws {
        self.endpoint = endpoint
        self.patience = patience
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = socket(AF_INET, kind | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw TestFailure("no socket: \(systemMessage())") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = endpoint.port.bigEndian
        guard inet_pton(AF_INET, endpoint.host, &address.sin_addr) == 1 else {
            throw TestFailure("\(endpoint) is no IPv4 address")
        }
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        if code != 0, errno != EINPROGRESS { throw failure("connect") }
        guard Deadline(after: patience).poll(descriptor, for: POLLOUT) != 0 else {
            throw TestFailure("\(endpoint) did not take the connection")
        }
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length)
        guard error == 0 else {
            throw TestFailure("could not connect to \(endpoint): \(systemMessage(error))")
        }
        var one: Int32 = 1
        setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one,
            socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { Glibc.close(descriptor) }

    private func failure(_ what: String) -> TestFailure {
        let reason = systemMessage()
        return TestFailure("could not \(what) \(endpoint): \(reason)")
    }
}

extension WireConnection {
    /// Sends bytes as they are.
    public func send(_ bytes: [UInt8]) throws {
        let deadline = Deadline(after: patience)
        var sent = 0
        while sent < bytes.count {
            let count = try trySending(bytes[sent...])
            sent += count
            if count > 0 { continue }
            let ready = deadline.poll(descriptor, for: POLLOUT | POLLIN)
            guard ready != 0 else {
                throw TestFailure("\(endpoint) took \(sent) of \(bytes.count) bytes and no more")
            }
            if ready & POLLIN != 0 { try take() }
        }
    }

    /// Sends text as it is; a line needs its `\n`.
    public func send(_ text: String) throws { try send([UInt8](text.utf8)) }

    /// Sends each byte by itself, in a segment of its own as far as the system allows.
    public func sendOneByOne(_ bytes: [UInt8]) throws {
        for byte in bytes { try send([byte]) }
    }

    /// Sends what the peer takes without anything being read here.
    ///
    /// - Returns: How many bytes went; 0 where the peer takes nothing more for now.
    public func trySending(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let count = bytes.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if count >= 0 { return count }
        if errno == EAGAIN || errno == EINTR { return 0 }
        throw failure("send to")
    }

    /// Sends until the peer has taken nothing for some time; reads nothing.
    ///
    /// - Returns: How many bytes went.
    public func sendUnread(_ bytes: [UInt8], quiet: Duration) throws -> Int {
        var sent = 0
        while sent < bytes.count {
            let count = try trySending(bytes[sent...])
            sent += count
            if count == 0, Deadline(after: quiet).poll(descriptor, for: POLLOUT) == 0 { break }
        }
        return sent
    }

    /// Says that nothing more will be sent; answers can still be read.
    public func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Sends and reads nothing more; the peer sees the connection end.
    public func close() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        isAtEnd = true
    }

    /// Breaks the connection off, as a machine does that has lost its program.
    ///
    /// `close` is an end of input to the peer, who may still answer; this is an end of all.
    public func reset() {
        var address = sockaddr(
            sa_family: sa_family_t(AF_UNSPEC), sa_data: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
        connect(descriptor, &address, socklen_t(MemoryLayout<sockaddr>.size))
        isAtEnd = true
    }

    /// Reads one line and leaves its end away.
    ///
    /// - Returns: nil when the peer closed and there is no further line.
    public func nextLine() throws -> [UInt8]? {
        let deadline = Deadline(after: patience)
        while true {
            if let newline = received[taken...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(received[taken..<newline])
                drop(to: newline + 1)
                return line
            }
            guard try fill(deadline) else { break }
        }
        guard taken < received.count else { return nil }
        throw TestFailure(
            "\(endpoint) closed within a line: \(FileSystem.shown(received[taken...]))")
    }

    /// Reads one line as text and leaves its end away.
    ///
    /// - Throws: `TestFailure` when the peer closed instead, or says nothing.
    public func readLine() throws -> String {
        guard let line = try nextLine() else { throw TestFailure("\(endpoint) closed") }
        return String(decoding: line, as: UTF8.self)
    }

    /// Reads exactly that many bytes.
    public func read(_ count: Int) throws -> [UInt8] {
        let deadline = Deadline(after: patience)
        while received.count - taken < count {
            guard try fill(deadline) else {
                throw TestFailure("\(endpoint) closed within a payload")
            }
        }
        let bytes = Array(received[taken..<(taken + count)])
        drop(to: taken + count)
        return bytes
    }

    /// Waits until the peer has closed.
    ///
    /// - Returns: What it had still to say.
    public func readToEnd() throws -> [UInt8] {
        let deadline = Deadline(after: patience)
        while try fill(deadline) {}
        let rest = Array(received[taken...])
        drop(to: received.count)
        return rest
    }

    /// Waits until the peer has closed and finds nothing before that.
    public func expectClosed() throws {
        let rest = try readToEnd()
        guard rest.isEmpty else {
            throw TestFailure("\(endpoint) said more before it closed: \(FileSystem.shown(rest))")
        }
    }

    /// What has come and was not read yet, without waiting.
    public func unread() throws -> [UInt8] {
        try take()
        return Array(received[taken...])
    }

    private func drop(to index: Int) {
        taken = index
        if taken == received.count || taken > 1 << 20 {
            received.removeFirst(taken)
            taken = 0
        }
    }

    /// Waits for more; false when the peer has closed.
    private func fill(_ deadline: Deadline) throws -> Bool {
        let before = received.count
        while !isAtEnd, received.count == before {
            guard deadline.poll(descriptor, for: POLLIN) != 0 else {
                throw TestFailure(
                    "\(endpoint) says nothing; unread so far: \(FileSystem.shown(received[taken...]))"
                )
            }
            try take()
        }
        return received.count > before
    }

    private func take() throws {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !isAtEnd {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count > 0 {
                received.append(contentsOf: buffer[..<count])
            } else if count == 0 || errno == ECONNRESET {
                isAtEnd = true
            } else if errno != EINTR {
                if errno == EAGAIN { return }
                throw failure("read from")
            }
        }
    }
}
