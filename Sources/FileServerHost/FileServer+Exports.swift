import DFSProtocol
import DFSStorage

extension FileServer {
    /// A folder to serve, and where it stands in the tree.
    public struct Export: Sendable {
        /// On this machine.
        public var folder: String
        /// In the tree.
        public var mount: TreePath

        /// Pairs a folder with its mount.
        public init(folder: String, mount: TreePath) {
            self.folder = folder
            self.mount = mount
        }
    }

    /// Starts to serve folders of this machine.
    ///
    /// Reads the ledgers before it returns control to any other task; nothing else runs at a start.
    /// - Throws: `FileServerError` with a sentence: no directory, in use, a bad address.
    public static func start(
        _ configuration: Configuration, exports: [Export],
        log: @escaping @Sendable (String) -> Void,
        failed: @escaping @Sendable (FileServerError) -> Void
    ) async throws -> FileServer {
        try Advertisement.check(configuration)
        let settings = exports.map { ExportSettings(folder: $0.folder, mount: $0.mount) }
        let store: DiskStore
        do throws(RequestError) {
            store = try DiskStore.open(exports: settings, log: log)
        } catch {
            throw FileServerError(error.advice)
        }
        store.start()
        return try await start(
            configuration, store: store, changes: store, closing: { try store.close() }, log: log,
            failed: failed)
    }
}
