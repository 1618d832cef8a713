import CPosix
import DFSProtocol
import FileService
import Synchronization

/// Tells who follows an open file of an export that it has changed, whoever changed it.
///
/// One watch of the kernel for each file, however many follow it, and one thread for all; both
/// begin with the first follower. A watch is on the file itself and not on its name.
///
/// The kernel may ask the disk where a watch begins or ends. So no call of it is made under the
/// lock that event loops and ledgers wait for: the two are ordered by a lock of their own, and what
/// is not wanted any more is ended by the thread.
final class FileWatches: Sendable {
    private struct Entry {
        /// What the kernel calls the watch.
        var watch: Int32
        /// Who is told, by number.
        var handlers: [UInt64: @Sendable () -> Void] = [:]
    }

    private struct State {
        /// Nil before the first watch, and after the end.
        var inotify: Inotify?
        var entries: [FileIdentity: Entry] = [:]
        var files: [Int32: FileIdentity] = [:]
        /// Watches that nobody wants any more and that the kernel keeps.
        var unwanted: [Int32] = []
        /// Files that this process itself knows to have changed.
        var told: [FileIdentity] = []
        var lastNumber: UInt64 = 0
        /// Whether the thread was started.
        var isRunning = false
        var isStopped = false

        /// Adds a handler to what the kernel watches.
        ///
        /// - Returns: Its number, and whether the thread is to be started for it.
        mutating func add(
            _ changed: @escaping @Sendable () -> Void, to identity: FileIdentity, _ watch: Int32
        ) -> (number: UInt64, isFirst: Bool) {
            lastNumber += 1
            files[watch] = identity
            entries[identity, default: Entry(watch: watch)].watch = watch
            entries[identity]?.handlers[lastNumber] = changed
            defer { isRunning = true }
            return (lastNumber, !isRunning)
        }
    }

    /// Held while the kernel begins or ends watches, and before `state`; the disk may be asked.
    private let kernel = Mutex<Void>(())
    /// Held for a moment only.
    private let state = Mutex(State())
    private let bell: Descriptor
    private let progress = FollowProgress()
    private let begin: @Sendable (_ inotify: Int32, _ file: Int32) -> Int32

    /// Asks the kernel for watches, unless a test does that.
    init(
        begin: @escaping @Sendable (_ inotify: Int32, _ file: Int32) -> Int32 = {
            dfs_watch_file($0, $1)
        }
    ) throws(SystemError) {
        self.begin = begin
        bell = try Descriptor(dfs_bell_open())
    }

    /// How many watches are wanted of the kernel.
    var count: Int { state.withLock { $0.files.count } }

    /// Calls back after each change of an open file, until the watch is cancelled.
    ///
    /// - Throws: ENOSPC where the kernel gives no more watches; EMFILE, ENOMEM.
    func add(
        _ file: Descriptor, _ identity: FileIdentity, _ changed: @escaping @Sendable () -> Void
    ) throws(SystemError) -> LiveWatch {
        let (number, isFirst) = try kernel.withLock { _ throws(SystemError) in
            let inotify = try self.inotify()
            // For a file that is watched already it is the same watch once more.
            let watch = try SystemError.check(begin(inotify.descriptor.number, file.number))
            return state.withLock { $0.add(changed, to: identity, watch) }
        }
        if isFirst { start() }
        return LiveWatch(self, identity, number)
    }

    /// The kernel's list of watches, made for the first one.
    private func inotify() throws(SystemError) -> Inotify {
        try state.withLock { (state) throws(SystemError) in
            if state.isStopped { throw SystemError(ECANCELED) }
            if let open = state.inotify { return open }
            let made = try Inotify()
            state.inotify = made
            return made
        }
    }

    /// Ends the calls to one handler; the thread ends the kernel's watch with the last one.
    fileprivate func cancel(_ identity: FileIdentity, _ number: UInt64) {
        let isLast = state.withLock { state in
            guard state.entries[identity]?.handlers.removeValue(forKey: number) != nil,
                let entry = state.entries[identity], entry.handlers.isEmpty
            else { return false }
            state.entries[identity] = nil
            state.files[entry.watch] = nil
            state.unwanted.append(entry.watch)
            return true
        }
        if isLast { dfs_bell_ring(bell.number) }
    }

    /// Ends the kernel's watches that nobody wants, but for those that somebody wants again.
    private func endUnwanted(of inotify: Inotify) {
        guard state.withLock({ !$0.unwanted.isEmpty }) else { return }
        kernel.withLock { _ in
            let unwanted = state.withLock { state in
                defer { state.unwanted = [] }
                return state.unwanted.filter { state.files[$0] == nil }
            }
            // Of a file that is gone the kernel has ended the watch already.
            for watch in unwanted { _ = dfs_watch_remove(inotify.descriptor.number, watch) }
        }
    }

    /// Lets the followers of a file know what the kernel does not tell them: that it was replaced.
    ///
    /// They are called from the thread of the watches, so that this may be done under any lock.
    func tell(_ identity: FileIdentity) {
        let isFollowed = state.withLock { state in
            guard state.entries[identity] != nil else { return false }
            state.told.append(identity)
            return true
        }
        if isFollowed { dfs_bell_ring(bell.number) }
    }

    /// Ends the thread and all watches, and waits for that.
    func stop() {
        let wasRunning = state.withLock { state in
            state.isStopped = true
            return state.isRunning
        }
        guard wasRunning else { return }
        dfs_bell_ring(bell.number)
        progress.waitUntilFinished()
        state.withLock { state in
            (state.inotify, state.entries, state.files) = (nil, [:], [:])
        }
    }

    private func start() {
        NamedThread.start("dfs-watch") { [self] in
            while let inotify = state.withLock({ $0.isStopped ? nil : $0.inotify }) {
                turn(inotify)
            }
            progress.finish()
        }
    }

    /// Waits for changes and tells of them.
    private func turn(_ inotify: Inotify) {
        let ready = dfs_wait(inotify.descriptor.number, bell.number, -1)
        if ready > 0, ready & 2 != 0 { dfs_bell_clear(bell.number) }
        endUnwanted(of: inotify)
        tell(ready > 0 && ready & 1 != 0 ? inotify.events() : [])
    }

    /// Calls whoever follows a file of which the kernel, or this process, has told something.
    func tell(_ events: [Inotify.Event]) {
        for handler in state.withLock({ FileWatches.handlers(of: events, &$0) }) { handler() }
    }

    /// Everybody to be told, once each, in the order in which they began.
    private static func handlers(
        of events: [Inotify.Event], _ state: inout State
    ) -> [@Sendable () -> Void] {
        var changed = Set(state.told)
        state.told = []
        for event in events {
            // What was dropped may have been of any file.
            if event.isOverflow { changed.formUnion(state.entries.keys) }
            guard let identity = state.files[event.watch] else { continue }
            changed.insert(identity)
            if event.isEndOfWatch { state.files[event.watch] = nil }
        }
        return changed.flatMap {
            state.entries[$0]?.handlers ?? [:] as [UInt64: @Sendable () -> Void]
        }
        .sorted { $0.key < $1.key }.map(\.value)
    }
}

/// One follower's watch; ends when nobody holds it any more.
final class LiveWatch: FileWatch {
    private let watches: FileWatches
    private let identity: FileIdentity
    private let number: UInt64

    fileprivate init(_ watches: FileWatches, _ identity: FileIdentity, _ number: UInt64) {
        self.watches = watches
        self.identity = identity
        self.number = number
    }

    deinit { cancel() }

    func cancel() { watches.cancel(identity, number) }
}

extension DiskStore {
    /// Calls back when a file that is open here changed, by whomever.
    public func watch(
        _ file: any OpenFile, changed: @escaping @Sendable () -> Void
    ) throws(RequestError) -> any FileWatch {
        guard let file = file as? DiskFile else {
            throw RequestError(.internal, "a file of another store can not be watched here")
        }
        return try file.watch(changed)
    }
}

extension Export {
    /// Watches a file through the descriptor of one of its sessions.
    func watch(
        _ file: LiveFile, _ descriptor: Descriptor, _ path: TreePath,
        _ changed: @escaping @Sendable () -> Void
    ) throws(RequestError) -> LiveWatch {
        do throws(SystemError) {
            return try watches.add(descriptor, file.identity, changed)
        } catch {
            if error.code == ECANCELED {
                throw RequestError(.draining, path: path, "this server is stopping")
            }
            guard [ENOSPC, EMFILE, ENFILE, ENOMEM].contains(error.code) else {
                throw refusal(error, path)
            }
            throw RequestError(
                .busy, path: path,
                "this machine watches all the files that it can (fs.inotify.max_user_watches and "
                    + "max_user_instances); READ again and again, or try later",
                fields: [.init("retry", number: 1000)])
        }
    }
}
