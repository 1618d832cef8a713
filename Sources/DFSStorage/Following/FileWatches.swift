import DFSProtocol
import FileService

extension DiskStore {
    /// Calls back when a file that is open here changed, by whomever.
    public func watch(
        _ file: any OpenFile, changed: @escaping @Sendable () -> Void
    ) throws(RequestError) -> any FileWatch {
        throw RequestError(.unsupported, "this server does not watch single files yet")
    }
}
