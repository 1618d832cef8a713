import Glibc

/// Two connected descriptors that no program started meanwhile can inherit.
///
/// A pair of sockets, because the system marks those close-on-exec in the same step.
struct LocalPipe {
    /// The end that the test keeps to wait at.
    let near: Int32
    /// The end that is given away.
    let far: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw TestFailure("no pair of sockets: \(systemMessage())")
        }
        (near, far) = (ends[0], ends[1])
    }
}
