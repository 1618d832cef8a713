import DFSProtocol
import Dispatch
import Glibc
import Synchronization

/// A connection to a server without anything above the bytes: what `wire` speaks through.
///
/// What the server says is read on a thread of its own; everything else is called from one thread.
final class WireLink: Sendable {
    /// What came from the server.
    enum Event: Equatable, Sendable {
        /// A line without its end and its literal mark, and the payload that it announced.
        case said(line: [UInt8], payload: [UInt8]?)
        /// Nothing more comes.
        case closed
        /// What came can not be followed any further.
        case broken(String)
    }

    private let descriptor: Int32
    private let events = Mutex<[Event]>([])
    private let notify: @Sendable () -> Void

    /// Connects; blocks the calling thread.
    ///
    /// - Parameters:
    ///   - patience: How long one address may take to answer.
    ///   - notify: Is called on another thread when there is something to take.
    /// - Throws: `ShellFailure` with `unreachable`.
    init(
        to endpoint: Endpoint, within patience: Duration, notify: @escaping @Sendable () -> Void
    ) throws {
        descriptor = try WireLink.connect(to: endpoint, within: patience)
        self.notify = notify
        DispatchQueue(label: "dfsh.wire").async { [self] in readAll() }
    }

    deinit { Glibc.close(descriptor) }

    private static func connect(
        to endpoint: Endpoint, within patience: Duration
    ) throws -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(endpoint.host, "\(endpoint.port)", &hints, &list)
        guard code == 0 else {
            throw failure(endpoint, String(cString: gai_strerror(code)))
        }
        defer { freeaddrinfo(list) }
        var number = ENOENT
        var next = list
        while let address = next?.pointee {
            next = address.ai_next
            let kind = address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue)
            let descriptor = socket(address.ai_family, kind, address.ai_protocol)
            guard descriptor >= 0 else {
                number = errno
                continue
            }
            // On Linux this bounds connect too.
            var time = timeval(tv_sec: Int(max(1, patience.components.seconds)), tv_usec: 0)
            setsockopt(
                descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
            if Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 {
                var isOn: Int32 = 1
                setsockopt(
                    descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn,
                    socklen_t(MemoryLayout<Int32>.size))
                return descriptor
            }
            number = errno == EINPROGRESS ? ETIMEDOUT : errno
            Glibc.close(descriptor)
        }
        throw failure(endpoint, String(cString: strerror(number)))
    }

    private static func failure(_ endpoint: Endpoint, _ reason: String) -> ShellFailure {
        ShellFailure(.unreachable, "\(endpoint) can not be reached: \(ErrorSentence.safe(reason))")
    }

    /// Sends bytes as they are; false where nobody takes them.
    func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return false }
        }
        return true
    }

    /// Says that nothing more will be sent; answers are still wanted.
    func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Ends it; what waits to be read is lost.
    func end() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Whether something came that was not taken yet.
    var hasEvents: Bool { events.withLock { !$0.isEmpty } }

    /// What came since the last call, in its order.
    func take() -> [Event] {
        events.withLock { events in
            defer { events = [] }
            return events
        }
    }

    private func tell(_ event: Event) {
        events.withLock { $0.append(event) }
        notify()
    }

    // MARK: The thread

    /// A server's own mistake is shown, and not what it could cost in memory.
    private static let limits: Limits = {
        var limits = Limits()
        limits.lineBytes *= 4
        limits.payloadBytes *= 16
        return limits
    }()

    private func readAll() {
        var framer = Framer(limits: WireLink.limits, refusesStrangers: false)
        var pending: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            pending += buffer[..<count]
            while let (event, consumed) = WireLink.next(&framer, pending) {
                pending.removeFirst(consumed)
                guard let event else { break }
                tell(event)
                if case .broken = event { return end() }
            }
        }
        if !pending.isEmpty { tell(.broken("an incomplete line at the end")) }
        tell(.closed)
    }

    /// The next whole thing, or how much of what is there counts for nothing.
    private static func next(
        _ framer: inout Framer, _ bytes: [UInt8]
    ) -> (Event?, consumed: Int)? {
        switch framer.next(bytes.span) {
        case .incomplete(let consumed, _): (nil, consumed)
        case .frame(let frame): (said(frame, bytes), frame.consumed)
        case .tooLarge(_, let consumed): (.broken("a payload of more than 16 MiB"), consumed)
        case .broken(let error, _): (.broken(error.advice), 0)
        }
    }

    private static func said(_ frame: Framer.Frame, _ bytes: [UInt8]) -> Event {
        let payload = frame.payload.map { Array(bytes[$0]) }
        return .said(line: Array(bytes[frame.line]), payload: payload)
    }
}
