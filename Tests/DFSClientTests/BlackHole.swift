import DFSProtocol
import Glibc

/// An address at which the system takes no connection any more and refuses none either.
///
/// Its queue of connections that wait to be accepted is full, as of a host that drops packets.
final class BlackHole {
    let endpoint: Endpoint
    private let descriptors: [Int32]

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var descriptors = [listener]
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard bind(listener, address, length) == 0, listen(listener, 0) == 0,
                    getsockname(listener, address, &length) == 0
                else { return false }
                // One more than the queue takes; none is waited for.
                for _ in 0..<4 {
                    let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
                    let filler = socket(AF_INET, flags, 0)
                    descriptors.append(filler)
                    _ = connect(filler, address, length)
                }
                return true
            }
        }
        self.descriptors = descriptors
        endpoint = Endpoint(host: "127.0.0.1", port: UInt16(bigEndian: address.sin_port))
        guard isListening else { throw NotListening() }
    }

    private struct NotListening: Error {}

    deinit { for descriptor in descriptors { close(descriptor) } }
}
