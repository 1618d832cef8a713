import DFSProtocol
import NIOCore
import NIOEmbedded
import NameService

@testable import DFSTransport
@testable import NameServerHost

/// A name server on a loop that a test turns, with a clock that it sets and a store that commits
/// at once.
final class EmbeddedNameServer {
    let loop = EmbeddedEventLoop()
    let clock = SettableClock()
    let log = Log()
    private let shared: ServerShared
    private var channels: [EmbeddedChannel] = []

    /// What both clocks show, set by tests; used on one thread.
    final class SettableClock {
        var milliseconds: Int64 = 1_000_000

        func now() -> Moment {
            Moment(
                monotonic: MonotonicTime(nanoseconds: milliseconds * 1_000_000),
                wall: WallTime(seconds: 1_700_000_000 + milliseconds / 1000))
        }
    }

    init(id: String = "ns1") throws {
        guard let id = ServerID(id) else { throw RequestError(.badArgument, "no id") }
        var core = NameAuthority(id: id, seed: 7)
        try core.start(at: clock.now())
        let (loop, clock, log) = (self.loop, self.clock, self.log)
        let responder = NameResponder(
            core: core, loop: loop, clock: { clock.now() },
            log: { level, sentence in log.add("\(level.rawValue) \(sentence)") },
            commit: { _ in loop.makeSucceededVoidFuture() })
        shared = ServerShared(responder: responder, limits: Limits())
    }

    /// A new connection, greeted, by its number.
    func connect() throws -> Int {
        let channel = EmbeddedChannel(loop: loop)
        let connection = ServerConnection(
            id: shared.nextConnectionID(), channel: channel, shared: shared)
        try channel.pipeline.syncOperations.addHandler(connection)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 4711)).wait()
        channels.append(channel)
        loop.run()
        _ = try output(of: channels.count - 1)
        return channels.count - 1
    }

    /// Hands bytes in as one read and runs what is ready, but no time passes.
    func type(_ text: String, on connection: Int) throws {
        try channels[connection].writeInbound(ByteBuffer(string: text))
        loop.run()
    }

    /// Everything that was sent on a connection since the last call.
    func output(of connection: Int) throws -> String {
        loop.run()
        var text = ""
        while let part = try channels[connection].readOutbound(as: ByteBuffer.self) {
            text += String(buffer: part)
        }
        return text
    }

    /// Lets a connection be one that does not read, or reads again.
    func setReads(_ reads: Bool, _ connection: Int) {
        channels[connection].isWritable = reads
        channels[connection].pipeline.fireChannelWritabilityChanged()
        loop.run()
    }

    /// Closes a connection from the peer's side.
    func close(_ connection: Int) {
        channels[connection].close(promise: nil)
        loop.run()
    }

    /// Lets time pass on the clock and on the loop alike.
    func pass(milliseconds: Int64) {
        for _ in 0..<milliseconds {
            clock.milliseconds += 1
            loop.advanceTime(by: .milliseconds(1))
        }
    }
}
