import CPosix
import Glibc
import Synchronization

/// An open file descriptor, closed when nobody needs it any more.
final class Descriptor: Sendable {
    /// The number that system calls take.
    let number: Int32
    private let isOpen = Atomic(true)

    /// Takes what a call returned and owns it from then on.
    ///
    /// - Throws: the errno in a negative result.
    init(_ result: Int32) throws(SystemError) {
        guard result >= 0 else { throw SystemError(-result) }
        number = result
    }

    /// Closes now, where a failure is to be told; the number must not be used afterwards.
    func close() throws(SystemError) {
        guard isOpen.exchange(false, ordering: .acquiringAndReleasing) else { return }
        try SystemError.check(dfs_close(number))
    }

    deinit {
        // Nothing was written through it that a sync did not bring to the disk, or nobody asked.
        try? close()
    }

    /// What the file is that stands behind the descriptor.
    func status() throws(SystemError) -> FileStatus { try FileStatus(in: number, named: []) }

    /// Whether the name that the kernel knows for it leads to it.
    ///
    /// Not so where it is gone, or something was mounted over it.
    var isReachable: Bool {
        var name = [UInt8](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = name.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { readlink("/proc/self/fd/\(number)", $0, bytes.count) } ?? -1
        }
        guard (1..<name.count).contains(count) else { return false }
        // What can not be looked at can not be reached.
        guard let own = try? status(),
            let found = try? FileStatus(in: -1, named: name[..<count])
        else { return false }
        return own.identity == found.identity
    }

    /// Brings contents and names to the disk; a failure is never tried again.
    func sync() throws(SystemError) { try SystemError.check(dfs_sync(number)) }
}

/// A number that the system gave as the reason of a failure.
struct SystemError: Error, Equatable {
    /// The errno.
    let code: Int32

    /// Takes an errno.
    init(_ code: Int32) { self.code = code }

    /// A mount point stands in the path: what is behind it belongs to another file system.
    static let mounted = SystemError(EREMOTE)
    /// Something was mounted over what the ledger knows, and hides it.
    static let covered = SystemError(EREMCHG)

    /// Passes results of 0 or more.
    @discardableResult
    static func check(_ result: Int32) throws(SystemError) -> Int32 {
        guard result >= 0 else { throw SystemError(-result) }
        return result
    }
}

/// Lends bytes of a name to a system call, with the NUL that it expects behind them.
func withName<Result>(
    _ bytes: some Collection<UInt8>, _ body: (UnsafePointer<CChar>) -> Result
) -> Result {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: bytes.count + 1) { buffer in
        var index = 0
        for byte in bytes {
            buffer[index] = CChar(bitPattern: byte)
            index += 1
        }
        buffer[index] = 0
        // A buffer of at least one element has an address.
        guard let address = buffer.baseAddress else { preconditionFailure("no buffer") }
        return body(UnsafePointer(address))
    }
}
