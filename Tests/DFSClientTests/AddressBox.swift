import DFSProtocol
import Synchronization

/// An address that a scripted server learns after it was started.
final class AddressBox: Sendable {
    private let box = Mutex<Endpoint?>(nil)

    var endpoint: Endpoint { box.withLock { $0 } ?? Endpoint(host: "127.0.0.1", port: 1) }

    func set(_ endpoint: Endpoint) { box.withLock { $0 = endpoint } }
}
