import DFSProtocol
import Glibc

/// A server of a test's own making, which says what the test wants; it may be wrong, or silent.
public final class ScriptedPeer: Sendable {
    /// Where it listens.
    public let endpoint: Endpoint
    private let descriptor: Int32

    /// Listens on a free port of loopback.
    ///
    /// - Parameter answer: What is said to a line, its newline included; nothing lets the peer
    ///   wait. Called from several threads.
    public init(
        greeting: String, answer: @escaping @Sendable (String) -> String
    ) throws {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = socket(AF_INET, kind, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = descriptor
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, size) == 0 && listen(listener, 16) == 0
                    ? getsockname(listener, pointer, &size) : -1
            }
        }
        guard code == 0 else { throw TestFailure("no server: \(systemMessage())") }
        endpoint = Endpoint(host: "127.0.0.1", port: UInt16(bigEndian: address.sin_port))
        try BlockingThread.start {
            while true {
                let client = accept(listener, nil, nil)
                if client < 0 { return }
                // Without a thread for it the peer finds that nobody speaks.
                try? BlockingThread.start { ScriptedPeer.serve(client, greeting, answer) }
            }
        }
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }

    private static func serve(
        _ client: Int32, _ greeting: String, _ answer: (String) -> String
    ) {
        defer { close(client) }
        say(greeting, to: client)
        var (line, byte): ([UInt8], UInt8) = ([], 0)
        while read(client, &byte, 1) == 1 {
            if byte != UInt8(ascii: "\n") {
                line.append(byte)
                continue
            }
            say(answer(String(decoding: line, as: UTF8.self)), to: client)
            line = []
        }
    }

    private static func say(_ text: String, to client: Int32) {
        let bytes = [UInt8](text.utf8)
        // A peer that is gone hears nothing; what it does then is the test's question.
        _ = send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}
