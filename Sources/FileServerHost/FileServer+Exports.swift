import DFSProtocol
import DFSStorage

extension FileServer {
    /// A folder to serve, and where it stands in the tree.
    public struct Export: Sendable {
        /// On this machine.
        public var folder: String
        /// In the tree.
        public var mount: TreePath
        /// Whether the folder is meant to be new, whatever was served there before.
        public var isNew: Bool

        /// Pairs a folder with its mount.
        public init(folder: String, mount: TreePath, isNew: Bool = false) {
            self.folder = folder
            self.mount = mount
            self.isNew = isNew
        }
    }

    /// Starts to serve folders of this machine.
    ///
    /// Reads the ledgers before it returns control to any other task; nothing else runs at a start.
    /// - Parameter memory: Knows what was served before: a folder that is not new and has not the
    ///   ledger that it had is refused, because its disk may not be mounted.
    /// - Throws: `FileServerError` with a sentence: no directory, in use, another folder than
    ///   before, a bad address.
    public static func start(
        _ configuration: Configuration, exports: [Export], memory: ExportMemory = .none,
        log: @escaping @Sendable (String) -> Void,
        failed: @escaping @Sendable (FileServerError) -> Void
    ) async throws -> FileServer {
        try Advertisement.check(configuration)
        let settings = exports.map { ExportSettings(folder: $0.folder, mount: $0.mount) }
        let renewed = exports.filter(\.isNew).map(\.mount)
        let before = try memory.servedBefore()
        let store: DiskStore
        do throws(RequestError) {
            store = try DiskStore.open(
                exports: settings, servedBefore: before.filter { !renewed.contains($0.mount) },
                log: log)
        } catch {
            throw FileServerError(error.advice)
        }
        // Before anything is told to a name server. Without `start` the store holds descriptors
        // only, which end with it.
        try memory.remember(store.served, before: before)
        store.start()
        return try await start(
            configuration, store: store, changes: store, closing: { try store.close() }, log: log,
            failed: failed)
    }
}
