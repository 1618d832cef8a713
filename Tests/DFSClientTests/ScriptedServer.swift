import DFSClient
import DFSProtocol
import NIOCore
import NIOPosix
import Synchronization

/// A server of a test: it answers each request line with what a closure says, right or wrong.
final class ScriptedServer: Sendable {
    /// What to do with one request.
    enum Answer: Sendable {
        /// Lines to send, each with its newline; the request's tag is put before them.
        case send(String)
        /// The same, and then close the connection.
        case sendAndHangUp(String)
        /// Say nothing, ever.
        case silence
        /// Close the connection.
        case hangUp
    }

    typealias Script = @Sendable (_ line: String, _ count: Int) -> Answer

    let endpoint: Endpoint
    private let group: MultiThreadedEventLoopGroup
    private let channel: any Channel
    private let isStopped = Mutex(false)
    /// Every request line in the order of arrival.
    private let seen: Seen

    private final class Seen: Sendable {
        let lines = Mutex<[String]>([])
        let connections = Mutex(0)
        private let waiting = Mutex<[(count: Int, waiter: CheckedContinuation<Void, Never>)]>([])

        func add(_ line: String) -> Int {
            let count = lines.withLock { lines in
                lines.append(line)
                return lines.count
            }
            let ready = waiting.withLock { waiting in
                defer { waiting.removeAll { $0.count <= count } }
                return waiting.filter { $0.count <= count }
            }
            for one in ready { one.waiter.resume() }
            return count
        }

        /// Comes back at once where the test was given up.
        func wait(for count: Int) async {
            await withTaskCancellationHandler {
                await withCheckedContinuation { waiter in
                    let isThere = waiting.withLock { waiting in
                        if Task.isCancelled || lines.withLock({ $0.count >= count }) {
                            return true
                        }
                        waiting.append((count, waiter))
                        return false
                    }
                    if isThere { waiter.resume() }
                }
            } onCancel: {
                let given = waiting.withLock { waiting in
                    defer { waiting = [] }
                    return waiting
                }
                for one in given { one.waiter.resume() }
            }
        }
    }

    /// The lines, once there are so many.
    func lines(_ count: Int) async -> [String] {
        await seen.wait(for: count)
        return lines
    }

    /// The lines, once they are as they must be; looked at after each.
    func lines(_ isRight: @Sendable ([String]) -> Bool) async -> [String] {
        while true {
            let lines = lines
            if isRight(lines) || Task.isCancelled { return lines }
            await seen.wait(for: lines.count + 1)
        }
    }

    var lines: [String] { seen.lines.withLock { $0 } }
    /// How many connections there have been.
    var connections: Int { seen.connections.withLock { $0 } }

    private init(
        endpoint: Endpoint, group: MultiThreadedEventLoopGroup, channel: any Channel, seen: Seen
    ) {
        self.endpoint = endpoint
        self.group = group
        self.channel = channel
        self.seen = seen
    }

    static func start(
        greeting: String = "OK DFS/1 role=name id=fake max-line=65536 max-data=1048576\n",
        _ script: @escaping Script
    ) async throws -> ScriptedServer {
        try await start(greetings: { _ in greeting }, script)
    }

    /// - Parameter greetings: What each connection is greeted with, counted from 1.
    static func start(
        greetings: @escaping @Sendable (Int) -> String, _ script: @escaping Script
    ) async throws -> ScriptedServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let seen = Seen()
        let channel = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Handler(greetings: greetings, script: script, seen: seen))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(channel.localAddress?.port ?? 0)
        return ScriptedServer(
            endpoint: Endpoint(host: "127.0.0.1", port: port), group: group, channel: channel,
            seen: seen)
    }

    /// Stops it, once: a second call does nothing.
    func stop() async throws {
        let wasStopped = isStopped.withLock { stopped in
            defer { stopped = true }
            return stopped
        }
        if wasStopped { return }
        try await channel.close()
        try await group.shutdownGracefully()
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let greetings: @Sendable (Int) -> String
        private let script: Script
        private let seen: Seen
        private var pending: [UInt8] = []
        private var dropping = 0

        init(
            greetings: @escaping @Sendable (Int) -> String, script: @escaping Script, seen: Seen
        ) {
            self.greetings = greetings
            self.script = script
            self.seen = seen
        }

        func channelActive(context: ChannelHandlerContext) {
            let number = seen.connections.withLock { count in
                count += 1
                return count
            }
            context.writeAndFlush(NIOAny(ByteBuffer(string: greetings(number))), promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            pending += Array(unwrapInboundIn(data).readableBytesView)
            while true {
                let dropped = min(dropping, pending.count)
                pending.removeFirst(dropped)
                dropping -= dropped
                guard dropping == 0, let end = pending.firstIndex(of: 10) else { return }
                let line = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeFirst(end + 1)
                if line.hasSuffix("}"), let mark = line.lastIndex(of: "{"),
                    let count = Int(line[line.index(after: mark)...].dropLast())
                {
                    dropping = count + 1
                }
                let cut = line.hasPrefix("@") ? line.firstIndex(of: " ") : nil
                let tag = cut.map { String(line[...$0]) } ?? ""
                let request = String(line.dropFirst(tag.count))
                answer(script(request, seen.add(request)), tag, context)
            }
        }

        private func answer(_ answer: Answer, _ tag: String, _ context: ChannelHandlerContext) {
            switch answer {
            case .sendAndHangUp(let text):
                self.answer(.send(text), tag, context)
                context.close(promise: nil)
            case .send(let text):
                let tagged = text.split(separator: "\n", omittingEmptySubsequences: false).map {
                    let isHead = $0.hasPrefix("OK") || $0.hasPrefix("ERR") || $0.hasPrefix("* ")
                    return (isHead ? tag : "") + $0
                }
                let bytes = ByteBuffer(string: tagged.joined(separator: "\n"))
                context.writeAndFlush(NIOAny(bytes), promise: nil)
            case .silence: return
            case .hangUp: context.close(promise: nil)
            }
        }
    }
}

/// Runs a body with a client of a scripted name server, and closes both afterwards.
func withClient<Result: Sendable>(
    of script: @escaping ScriptedServer.Script, deadline: Duration = .seconds(10),
    _ body: (DFSClient, ScriptedServer) async throws -> Result
) async throws -> Result {
    let server = try await ScriptedServer.start(script)
    var options = ClientOptions()
    options.tagsEveryRequest = false
    options.deadline = deadline
    options.reconnectPatience = .milliseconds(100)
    let client = DFSClient(nameServers: [server.endpoint], options: options)
    do {
        let result = try await body(client, server)
        await client.close()
        try await server.stop()
        return result
    } catch {
        await client.close()
        try await server.stop()
        throw error
    }
}

/// The failure of a body that must fail, or nil.
func refusal(_ body: () async throws -> Void) async -> DFSError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? DFSError
    }
}
