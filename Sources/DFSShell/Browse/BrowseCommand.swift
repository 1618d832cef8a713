import CEditLine
import DFSClient
import DFSProtocol
import Glibc

/// `browse`: the tree on the whole screen, as long as the person stays.
struct BrowseCommand: Sendable {
    static let all: [Command] = [Command(row: browse, run: run)]

    private static let browse = CommandSpecification(
        "browse", .files, [.init("path", .remoteDirectory, .optional)],
        "Shows the tree on the whole screen, as it is from second to second; ? explains the keys.",
        examples: [
            ("browse", "from the working directory: arrows move, Enter opens, q leaves"),
            ("browse /docs", "Space marks and g gets what is marked; / searches all names below"),
        ], exits: [.notFound, .unreachable, .interrupted])

    /// What happens to a screen.
    private enum Event: Sendable {
        case keys([UInt8])
        /// The terminal is gone.
        case inputEnded
        case screenChanged
        case listed(TreePath, Result<[Entry], ShellFailure>)
        case found(String, Result<[TreePath], ShellFailure>)
        case servers(Result<[ServerInfo], ShellFailure>)
    }

    private let session: ShellSession
    private let top: TreePath
    private let events: AsyncStream<Event>
    private let feed: AsyncStream<Event>.Continuation

    private init(_ session: ShellSession, _ top: TreePath) {
        self.session = session
        self.top = top
        (events, feed) = AsyncStream<Event>.makeStream()
    }

    private static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let isDumb = getenv("TERM").map { String(cString: $0) == "dumb" } ?? true
        guard isatty(STDIN_FILENO) == 1, session.output.isTerminal, !isDumb else {
            throw ShellFailure(
                .usage, "browse: needs a terminal; \"tree\" and \"find\" write lines")
        }
        var top = session.workingDirectory
        if let word = call.operands.first {
            top = try await session.onePath(word)
            guard try await session.client.stat(top).entry.kind == .directory else {
                throw DFSError(.notDirectory, path: top, "")
            }
        }
        try await BrowseCommand(session, top).browse()
    }

    private func browse() async throws {
        _ = await session.output.settle()
        let screen = FullScreen(session.output)
        try screen.open()
        let size = screen.size
        var model = BrowseModel(top: top, columns: size.columns, height: size.height)
        await withDiscardingTaskGroup { group in
            group.addTask { await self.hearServers() }
            let changes = screen.changes
            group.addTask { [feed] in
                // A cancelled wait has done its part.
                while (try? await DescriptorWait.read(changes, count: 8)) != nil {
                    feed.yield(.screenChanged)
                }
            }
            var reader = readKeys()
            var keys = KeyReader()
            for effect in model.start() { begin(effect, screen, in: &group) }
            screen.draw(model.screen())
            loop: for await event in events {
                for effect in take(event, &model, &keys, screen) {
                    switch effect {
                    case .quit: break loop
                    case .open, .get:
                        reader.cancel()
                        await reader.value
                        await leave(screen, for: effect, &model)
                        reader = readKeys()
                    default: begin(effect, screen, in: &group)
                    }
                }
                screen.draw(model.screen())
                await session.output.awaitRoom()
            }
            reader.cancel()
            group.cancelAll()
        }
        await screen.close()
        try Task.checkCancellation()
    }

    // MARK: - Events

    private func take(
        _ event: Event, _ model: inout BrowseModel, _ keys: inout KeyReader, _ screen: FullScreen
    ) -> [BrowseModel.Effect] {
        switch event {
        case .keys(let bytes): return keys.keys(of: bytes).flatMap { model.press($0) }
        case .inputEnded: return [.quit]
        case .screenChanged:
            // Told more often than there are changes, at the start as well.
            guard dfs_screen_take_change() != 0 else { return [] }
            let size = screen.size
            model.resize(columns: size.columns, height: size.height)
            screen.forget()
        case .listed(let path, .success(let entries)): return model.listed(path, entries)
        case .listed(let path, .failure(let failure)): model.notListed(path, failure.sentence)
        case .found(let text, .success(let paths)): return model.found(paths, for: text)
        case .found(_, .failure(let failure)): model.say(failure.sentence)
        case .servers(.success(let servers)): return model.heard(servers)
        case .servers(.failure(let failure)): model.notHeard(failure.sentence)
        }
        return []
    }

    private func readKeys() -> Task<Void, Never> {
        Task { [feed] in
            do {
                while true {
                    let bytes = try await DescriptorWait.read(STDIN_FILENO, count: 1024)
                    feed.yield(bytes.isEmpty ? .inputEnded : .keys(bytes))
                    if bytes.isEmpty { return }
                }
            } catch is CancellationError {
                return
            } catch {
                feed.yield(.inputEnded)
            }
        }
    }

    /// Asks every second how the servers are, until it is cancelled.
    private func hearServers() async {
        while !Task.isCancelled {
            feed.yield(.servers(await result { try await session.client.servers() }))
            // A cancelled pause ends the loop.
            try? await Task.sleep(for: .seconds(1))
        }
    }

    private func result<Value: Sendable>(
        _ body: () async throws -> Value
    ) async -> Result<Value, ShellFailure> {
        do {
            return .success(try await body())
        } catch {
            return .failure(ShellFailure(error))
        }
    }

    // MARK: - Effects

    private func begin(
        _ effect: BrowseModel.Effect, _ screen: FullScreen, in group: inout DiscardingTaskGroup
    ) {
        switch effect {
        case .list(let path):
            group.addTask { [self] in
                let answer = await result { try await session.client.list(path).all() }
                feed.yield(.listed(path, answer))
            }
        case .find(let text):
            group.addTask { [self] in
                let answer = await result { try await find(text, below: top) }
                feed.yield(.found(text, answer))
            }
        case .stop: dfs_screen_stop()
        case .repaint: screen.forget()
        case .open, .get, .quit: break
        }
    }

    /// Names that have a text in them, as many as one page brings.
    private func find(_ text: String, below top: TreePath) async throws -> [TreePath] {
        let star = [UInt8(ascii: "*")]
        let pattern = star + Word(literal: [UInt8](text.utf8)).pattern + star
        var pages = session.client.find(top, pattern: pattern)
            .makeAsyncIterator()
        return (try await pages.nextPage() ?? []).map(\.path)
    }

    /// Gives the terminal to a program or a transfer, and takes it again.
    private func leave(
        _ screen: FullScreen, for effect: BrowseModel.Effect, _ model: inout BrowseModel
    ) async {
        await screen.close()
        do {
            switch effect {
            case .open(let path):
                try await session.openInProgram(path)
                if !ProgramChoice().showsByItself { try await waitForEnter() }
            case .get(let paths):
                let words = ["get", "-r"].map { Word(plain: [UInt8]($0.utf8)) }
                let code = await session.run(
                    words: words + paths.map { Word(literal: $0.bytes) }
                        + [Word(literal: [UInt8(ascii: ".")])])
                if code == .ok { model.unmark() }
                try await waitForEnter()
            default: break
            }
        } catch {
            model.say(ShellFailure(await session.explained(error)).sentence)
        }
        do {
            try screen.open()
        } catch {
            feed.yield(.inputEnded)
        }
        let size = screen.size
        model.resize(columns: size.columns, height: size.height)
    }

    /// Lets the person read what was written.
    private func waitForEnter() async throws {
        session.output.tell("Enter goes back to the tree ")
        _ = await session.output.settle()
        _ = try await DescriptorWait.read(STDIN_FILENO, count: 1024)
    }
}
