import DFSProtocol
import DFSTransport
import FileService
import NIOCore
import Synchronization

// FOLLOW: items leave as fast as the peer takes them, and the store tells when there are more.
extension FileDesk {
    func tell(_ id: RequestID, _ item: LineWriter, withBytes: Bool) {
        guard let waiting = pending[id] else { return }
        let bytes = withBytes ? waiting.bytes : nil
        pending[id]?.bytes = ByteBuffer()
        waiting.exchange.send(item, payload: bytes) {
            self.perform(self.core.itemTaken(id, at: .now))
        }
    }

    /// Watches a file for a request; what waits behind the request starts once that is so.
    func watch(_ file: any OpenFile, for id: RequestID) {
        let desk = NIOLoopBound(self, eventLoop: eventLoop)
        let bell = LoopBell(eventLoop) {
            desk.value.perform(desk.value.core.fileChanged(id, at: .now))
        }
        let store = pool.store
        let interest = Interest()
        pending[id]?.interest = interest
        pool.submit(at: file.path, on: eventLoop) {
            Result { () throws(RequestError) in
                guard interest.isThere else { throw FileDesk.unwanted }
                return try store.watch(file) { bell.ring() }
            }
        }.assumeIsolated().whenComplete { result in
            // The pool ends with the server, and then nobody follows any more.
            self.watching(id, (try? result.get()) ?? .failure(FileDesk.unwanted))
        }
    }

    private static let unwanted = RequestError(.cancelled, "nobody follows any more")

    private func watching(_ id: RequestID, _ result: Result<any FileWatch, RequestError>) {
        switch result {
        case .success(let watch):
            pending[id]?.watch = watch
            // First: what stands in the file now is told before anything that comes behind.
            perform(core.watching(id, nil, at: .now))
            pending[id]?.exchange.stand()
        case .failure(let error): perform(core.watching(id, error, at: .now))
        }
    }
}

/// Runs something on the loop after it was rung on any thread: once, however often it rang before.
private final class LoopBell: Sendable {
    private let loop: any EventLoop
    private let isRinging = Atomic(false)
    private let answer: @Sendable () -> Void

    init(_ loop: any EventLoop, _ answer: @escaping @Sendable () -> Void) {
        self.loop = loop
        self.answer = answer
    }

    func ring() {
        if isRinging.exchange(true, ordering: .acquiringAndReleasing) { return }
        loop.execute {
            // Before the answer: what rings while it runs is answered by the next one.
            self.isRinging.store(false, ordering: .releasing)
            self.answer()
        }
    }
}
