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
        case listed(TreePath, Result<Names, ShellFailure>)
        case found(String, Result<[TreePath], ShellFailure>)
        case news(Result<News, ShellFailure>)
        /// The name server has been asked for news a while ago.
        case silence
    }

    /// Names of a directory.
    private struct Names: Sendable {
        let entries: [Entry]
        /// Where the next names come from.
        let rest: Listing.Iterator
        /// Whether they stand behind those that came before.
        let continues: Bool
        let time: Duration
    }

    /// How the servers are, and the number of the tree's last change.
    private struct News: Sendable {
        let servers: [ServerInfo]
        let changes: Int64?
    }

    /// What has to be remembered of listings.
    private struct Listings {
        var rests: [TreePath: Listing.Iterator] = [:]
        /// No listing by itself begins before: a large directory is not read all the time.
        var next = ContinuousClock.now
    }

    /// Names that one question brings.
    private static let pageNames: Int64 = 4000
    /// When a name server that is asked for news is said to be silent.
    private static let patience: Duration = .seconds(3)

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
        if session.isJob { throw ShellFailure(.usage, "browse: needs the terminal, and not an &") }
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
            group.addTask { await self.hearNews() }
            let changes = screen.changes
            group.addTask { [feed] in
                // A cancelled wait has done its part.
                while (try? await DescriptorWait.read(changes, count: 8)) != nil {
                    feed.yield(.screenChanged)
                }
            }
            var reader = readKeys()
            var keys = KeyReader()
            var listings = Listings()
            for effect in model.start() { begin(effect, screen, &listings, in: &group) }
            screen.draw(model.screen())
            loop: for await event in events {
                for effect in take(event, &model, &keys, &listings, screen) + model.needs() {
                    switch effect {
                    case .quit: break loop
                    case .open, .get:
                        reader.cancel()
                        await reader.value
                        await leave(screen, for: effect, &model)
                        reader = readKeys()
                    default: begin(effect, screen, &listings, in: &group)
                    }
                }
                if case .news = event { group.addTask { await self.hearNews(after: .seconds(1)) } }
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
        _ event: Event, _ model: inout BrowseModel, _ keys: inout KeyReader,
        _ listings: inout Listings, _ screen: FullScreen
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
        case .listed(let path, .success(let names)):
            listings.rests[path] = names.rest
            listings.next = max(listings.next, .now + min(names.time * 10, .seconds(30)))
            return model.listed(
                path, names.entries, isWhole: names.rest.isAtEnd, continues: names.continues)
        case .listed(let path, .failure(let failure)):
            return model.notListed(path, failure.sentence)
        case .found(let text, .success(let paths)): return model.found(paths, for: text)
        case .found(_, .failure(let failure)): model.say(failure.sentence)
        case .news(.success(let news)):
            return model.heard(
                news.servers, changes: news.changes, mayList: ContinuousClock.now >= listings.next)
        case .news(.failure(let failure)): model.notHeard(failure.sentence)
        case .silence:
            model.notHeard("it does not answer")
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

    /// Asks how the servers are and whether anything has changed.
    private func hearNews(after pause: Duration = .zero) async {
        // News are asked for, as DFSClient takes no notices of WATCH. A cancelled pause ends it at
        // the question.
        try? await Task.sleep(for: pause)
        let silence = Task { [feed] in
            try await Task.sleep(for: Self.patience)
            feed.yield(.silence)
        }
        let news = await result {
            let pairs = try await session.client.status()
            let number = pairs.first { $0.key == "seq" }?.value
            return News(
                servers: try await session.client.servers(),
                changes: number.flatMap { Int64(String(decoding: $0, as: UTF8.self)) })
        }
        silence.cancel()
        feed.yield(.news(news))
    }

    /// Lists a directory from a place on, as far as so many names reach.
    private func list(
        _ path: TreePath, from place: Listing.Iterator, atLeast count: Int, continues: Bool
    ) async {
        let start = ContinuousClock.now
        let names = await result {
            var (rest, entries) = (place, [Entry]())
            while entries.count < count, let page = try await rest.nextPage() { entries += page }
            return Names(
                entries: entries, rest: rest, continues: continues, time: .now - start)
        }
        feed.yield(.listed(path, names))
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
        _ effect: BrowseModel.Effect, _ screen: FullScreen, _ listings: inout Listings,
        in group: inout DiscardingTaskGroup
    ) {
        switch effect {
        case .list(let path, let count):
            let place = session.client.list(path, pageLimit: Self.pageNames).makeAsyncIterator()
            group.addTask { await self.list(path, from: place, atLeast: count, continues: false) }
        case .more(let path):
            guard let place = listings.rests[path] else { return }
            group.addTask { await self.list(path, from: place, atLeast: 1, continues: true) }
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
                if !session.programs.showsByItself { try await waitForEnter() }
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
