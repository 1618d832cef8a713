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
        pool.submit(on: eventLoop) {
            Result { () throws(RequestError) in try store.watch(file) { bell.ring() } }
        }.assumeIsolated().whenSuccess { result in
            guard let waiting = self.pending[id] else { return }
            switch result {
            case .success(let watch):
                self.pending[id]?.watch = watch
                // First: what stands in the file now is told before anything that comes behind.
                self.perform(self.core.watching(id, nil, at: .now))
                waiting.exchange.stand()
            case .failure(let error): self.perform(self.core.watching(id, error, at: .now))
            }
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
