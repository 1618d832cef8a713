import DFSProtocol
import NIOCore
import NIOPosix
import NameService

/// The one thread on which the store's blocking calls run.
final class StoreThread: Sendable {
    private let store: any CatalogueStore
    private let pool: NIOThreadPool

    init(_ store: any CatalogueStore) {
        self.store = store
        pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
    }

    /// Fills a core from the store and makes its new epoch durable.
    func load(
        _ configuration: NameServerConfiguration, _ log: @escaping NameServer.Log
    ) async throws -> NameAuthority {
        try await pool.runIfActive { [store] in
            var core = NameAuthority(
                id: configuration.id, pace: configuration.pace, limits: configuration.limits,
                seed: .random(in: .min ... .max))
            try store.load { row in try core.load(row) }
            let now = Clock.now()
            try core.start(at: now)
            for id in configuration.forgotten { try StoreThread.retire(id, from: &core, log) }
            if let batch = core.takeBatch(at: now) {
                try store.commit(batch)
                core.committed(at: now)
            }
            return core
        }
    }

    private static func retire(
        _ id: ServerID, from core: inout NameAuthority, _ log: NameServer.Log
    ) throws {
        do throws(RequestError) {
            if let files = try core.retire(id) {
                log(.warning, "\(id) is forgotten, with \(files) files; it may register anew")
            } else {
                log(.info, "\(id) was forgotten before")
            }
        } catch {
            throw NameServerError("--forget \(id): \(error.advice)")
        }
    }

    /// Makes a batch durable and tells the loop what became of it.
    func commit(_ batch: [CatalogueChange], on loop: any EventLoop) -> EventLoopFuture<Void> {
        pool.runIfActive(eventLoop: loop) { [store] in try store.commit(batch) }
    }

    /// Brings the store to rest and ends the thread.
    func close(_ log: @escaping NameServer.Log) async {
        do {
            try await pool.runIfActive { [store] in try store.close() }
        } catch {
            log(.warning, "the catalogue could not be closed: \(error)")
        }
        await withCheckedContinuation { continuation in
            // A pool that was shut down before has nothing left to stop.
            pool.shutdownGracefully { _ in continuation.resume() }
        }
    }
}
