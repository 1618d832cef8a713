import DFSProtocol
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import DFSTransport

/// What renews the patience of who waits for an answer, with a clock that is moved by hand.
struct ProgressTests {
    /// A clock for what waits, moved together with that of the loop.
    private final class Clock: Sendable {
        private let start = ContinuousClock.now
        private let passed = Mutex(Duration.zero)

        var now: ContinuousClock.Instant { start + passed.withLock { $0 } }

        func advance(_ duration: Duration) { passed.withLock { $0 += duration } }
    }

    /// A connection's reading side on a loop whose time is the test's.
    private struct World {
        let channel: EmbeddedChannel
        let clock = Clock()
        let reader: ReplyReader

        init() throws {
            let channel = EmbeddedChannel()
            self.channel = channel
            let greeted = channel.embeddedEventLoop.makePromise(of: ReplyLine.self)
            reader = ReplyReader(
                channel: channel, limits: Limits(), greeted: greeted, signs: SignsOfLife(),
                trace: nil, notices: nil)
            try channel.pipeline.syncOperations.addHandler(reader)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            try hear("OK DFS/1\n")
        }

        func hear(_ text: String) throws { try channel.writeInbound(ByteBuffer(string: text)) }

        func pass(_ seconds: Int64) {
            clock.advance(.seconds(seconds))
            channel.embeddedEventLoop.advanceTime(by: .seconds(seconds))
        }

        /// Sends a request with ten seconds of patience; the box holds how it ended.
        func ask(
            _ verb: Verb = .read, tagged: Bool = true, stream: ReplyReader.Receiver? = nil
        ) -> Outcome {
            var request = ClientRequest(verb, tagged: tagged)
            request.maximumPayload = verb == .ping ? 0 : 100
            let outcome = Outcome()
            let promise = channel.embeddedEventLoop.makePromise(of: Reply.self)
            promise.futureResult.whenComplete { outcome.note($0) }
            let clock = clock
            reader.send(
                request, outcome.ticket, promise,
                until: stream == nil
                    ? Patience(.seconds(10), on: WaitingClock(now: { clock.now })) : nil,
                to: stream)
            channel.embeddedEventLoop.run()
            return outcome
        }
    }

    private final class Outcome: Sendable {
        let ticket = RequestTicket()
        private let word = Mutex<String?>(nil)

        /// `ok`, or why there was no answer; nil while it is awaited.
        var text: String? { word.withLock { $0 } }

        func note(_ result: Result<Reply, any Error>) {
            let text =
                switch result {
                case .success: "ok"
                case .failure(ConnectionError.timedOut(let verb)): "timed out \(verb.rawValue)"
                case .failure(ConnectionError.closed): "closed"
                case .failure(ConnectionError.violation): "violation"
                case .failure(ConnectionError.cancelled): "cancelled"
                case .failure: "another failure"
                }
            word.withLock { $0 = text }
        }
    }

    private static let tenBytes = String(repeating: "x", count: 10)

    @Test(arguments: [true, false])
    func `a payload is waited for as long as some of it comes`(isTagged: Bool) throws {
        let world = try World()
        let outcome = world.ask(tagged: isTagged)

        try world.hear((isTagged ? "@1 " : "") + "OK bytes=100 {100}\n")
        for _ in 0..<10 {
            world.pass(9)
            #expect(outcome.text == nil)
            try world.hear(Self.tenBytes)
        }
        try world.hear("\n")

        #expect(outcome.text == "ok")
    }

    @Test func `silence in the middle of a payload ends the wait`() throws {
        let world = try World()
        let outcome = world.ask()

        try world.hear("@1 OK bytes=100 {100}\nxxx")
        world.pass(9)
        #expect(outcome.text == nil)
        world.pass(1)

        #expect(outcome.text == "timed out READ")
    }

    @Test(arguments: ["@1 O", "@", "@1 OK bytes=1"])
    func `a part of a line is no progress, for it may be stretched for ever`(part: String) throws {
        let world = try World()
        let outcome = world.ask()

        world.pass(9)
        try world.hear(part)
        world.pass(1)

        #expect(outcome.text == "timed out READ")
    }

    @Test func `lines of an answer are progress`() throws {
        let world = try World()
        let outcome = world.ask(.list)

        for number in 0..<5 {
            world.pass(9)
            try world.hear("@1 * file name=f\(number)\n")
        }
        world.pass(9)
        #expect(outcome.text == nil)
        try world.hear("@1 OK count=5\n")

        #expect(outcome.text == "ok")
    }

    @Test func `bytes of what was sent before are progress of what travels behind it`() throws {
        let world = try World()
        let (first, second) = (world.ask(), world.ask())

        world.pass(9)
        try world.hear("@1 OK bytes=100 {100}\n" + Self.tenBytes)
        world.pass(9)

        #expect(first.text == nil)
        #expect(second.text == nil)
        world.pass(1)
        #expect(first.text == "timed out READ")
        #expect(second.text == "timed out READ")
    }

    @Test func `what was sent later renews nothing of what was sent before`() throws {
        let world = try World()
        let first = world.ask()
        world.pass(5)
        let (ping, second) = (world.ask(.ping), world.ask())

        try world.hear("@2 OK\n@3 OK bytes=100 {100}\n" + Self.tenBytes)
        world.pass(5)

        #expect(ping.text == "ok")
        #expect(first.text == "timed out READ")
        #expect(second.text == nil)
    }

    @Test func `an answer without an end keeps nobody waiting`() throws {
        let world = try World()
        let stream = world.ask(.follow) { _ in true }
        let outcome = world.ask()

        for number in 0..<4 {
            world.pass(3)
            try world.hear("@1 * offset=\(number) bytes=1 {1}\nx\n@1 * offset=9 bytes=9 {9}\nab")
            try world.hear("cdefghi\n")
        }

        #expect(stream.text == nil)
        #expect(outcome.text == "timed out READ")
    }

    @Test func `a payload where none is due is no progress`() throws {
        let world = try World()
        let outcome = world.ask(.ping)

        world.pass(9)
        try world.hear("@1 OK {50}\n" + Self.tenBytes)
        world.pass(1)

        #expect(outcome.text == "timed out PING")
    }

    @Test func `an untagged request that is given up leaves the others to be asked again`() throws {
        let world = try World()
        let first = world.ask(tagged: false)
        world.pass(9)
        let second = world.ask(tagged: true)

        world.pass(1)

        #expect(first.text == "timed out READ")
        #expect(second.text == "closed")
    }

    @Test func `a server that does not answer CANCEL is left`() throws {
        let world = try World()
        let first = world.ask()
        world.pass(10)
        // Sent behind the CANCEL of the first one, which is @2.
        let second = world.ask()

        #expect(first.text == "timed out READ")
        for _ in 0..<9 {
            world.pass(1)
            try world.hear("@3 * x=1\n")
        }
        #expect(second.text == nil)
        world.pass(1)

        #expect(second.text == "closed")
    }
}
