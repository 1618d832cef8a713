import CPosix
import DFSProtocol

/// What the following thread knows; lives on that thread alone.
struct FollowRound {
    /// A directory under watch; the inode tells whether its place in the ledger was given away.
    private struct Watched {
        var place: NodeID
        var inode: UInt64
    }

    private let follower: Follower
    private let inotify: Inotify?
    private var watched: [Int32: Watched] = [:]
    private var pending = PendingChanges()
    private var flushAt: Int64?
    private var presenceAt: Int64 = 0
    private var scanAt: Int64 = 0
    /// Directories to scan; `isDeep` where their known subdirectories follow.
    private var waiting: [(place: NodeID, isDeep: Bool)] = []
    private var isFullScan = false
    /// Whether another full scan is due when the running one has ended.
    private var isScanDue = false
    /// Whether a watched directory got another place, maybe outside of the export.
    private var hasWatchedMoved = false
    private var counts = FollowProgress.Counts()
    private var hasToldOfLimit = false
    /// Mounts that were told of in this full scan, and those of the one before.
    private var toldMounts: (now: Set<String>, before: Set<String>) = ([], [])
    /// Whether something could not be read since the last full scan began, and may be soon.
    private var hasFailed = false
    /// How long until the scan after that; doubles as long as it fails.
    private var retryMilliseconds = FollowRound.firstRetry

    private static let firstRetry: Int64 = 1000
    private static let lastRetry: Int64 = 300_000

    private var export: Export { follower.export }

    init(_ follower: Follower) {
        self.follower = follower
        do throws(SystemError) { inotify = try Inotify() } catch {
            inotify = nil
            follower.tell(
                "changes by others are seen by rescans only: inotify is not to be had "
                    + "(errno \(error.code))")
        }
    }

    /// Waits for the next thing to do and does a part of it.
    mutating func turn() {
        let events = inotify?.descriptor.number ?? -1
        let ready = dfs_wait(events, export.found.bell.number, patience())
        if ready > 0, ready & 1 != 0 { takeEvents() }
        if ready > 0, ready & 2 != 0 {
            waiting += export.found.takeAll().map { ($0, false) }
        }
        let now = dfs_monotonic_milliseconds()
        checkPresence(now)
        if export.isGone { return }
        if let due = flushAt, due <= now { flush() }
        if follower.takeRescan() || scanAt <= now { orderScan() }
        if let next = waiting.popLast() { scan(next.place, isDeep: next.isDeep) }
        if isFullScan, !waiting.contains(where: \.isDeep) { endScan() }
    }

    private func patience() -> Int32 {
        let now = dfs_monotonic_milliseconds()
        var until = presenceAt
        if !export.isGone {
            if !waiting.isEmpty { return 0 }
            until = min(until, scanAt)
            if let flushAt { until = min(until, flushAt) }
        }
        return Int32(clamping: max(0, until - now))
    }

    private mutating func checkPresence(_ now: Int64) {
        guard now >= presenceAt || flushAt.map({ $0 <= now }) == true else { return }
        presenceAt = now + Follower.presenceMilliseconds
        guard export.checkPresence() else { return }
        if export.isGone {
            follower.tell("the folder is gone or was replaced; its files stay listed meanwhile")
        } else {
            follower.tell("the folder is back")
            scanAt = now
        }
        follower.tellPresence()
    }

    // MARK: Scanning

    /// Begins a full scan, or notes that another one is due after the running one.
    ///
    /// One that began anew each time would never end where changes come faster than it is.
    private mutating func orderScan() {
        if !isFullScan { return beginScan() }
        isScanDue = true
        scanAt = .max
    }

    private mutating func beginScan() {
        scanAt = .max
        isFullScan = true
        hasFailed = false
        toldMounts = ([], toldMounts.now)
        (counts.symlinks, counts.others, counts.unreadable, counts.unwatched) = (0, 0, 0, 0)
        waiting.append((LedgerTree.top, true))
    }

    private mutating func endScan() {
        isFullScan = false
        let now = dfs_monotonic_milliseconds()
        scanAt = follower.nextScan(after: now)
        if hasFailed {
            scanAt = min(scanAt, now + retryMilliseconds)
            retryMilliseconds = min(2 * retryMilliseconds, FollowRound.lastRetry)
        } else {
            retryMilliseconds = FollowRound.firstRetry
        }
        if isScanDue { scanAt = now }
        isScanDue = false
        endWatches()
        counts.scans += 1
        counts.lastScan = dfs_wall_seconds()
        counts.isScanning = false
        counts.watches = watched.count
        // What the first scan found is told as a whole; a full disk is told by whoever writes next.
        let sequence = export.ledger.state.withLock { $0.sequence }
        try? export.ledger.waitUntilDurable(sequence)
        let counts = counts
        follower.progress.update { $0 = counts }
    }

    private mutating func scan(_ place: NodeID, isDeep: Bool) {
        do throws(SystemError) {
            guard let folder = try export.open(place) else { return }
            watch(folder)
            let names = try DirectoryReader.names(of: folder.descriptor)
            var served: Set<[UInt8]> = []
            for name in names where !removeLeftover(name, in: folder) {
                if look(at: name, in: folder, isDeep: isDeep) { served.insert(name) }
            }
            forgetMissing(in: folder, except: served)
        } catch {
            // What can not be read is counted and told, and what was known of it stays.
            noteUnreadable(error)
        }
        export.ledger.wake()
        pauseForDisk()
    }

    private mutating func watch(_ folder: Folder) {
        guard let inotify else {
            counts.unwatched += 1
            return
        }
        let watch = dfs_watch_add(inotify.descriptor.number, folder.descriptor.number)
        if watch >= 0 {
            watched[watch] = Watched(place: folder.place, inode: folder.inode)
            return
        }
        counts.unwatched += 1
        if hasToldOfLimit { return }
        hasToldOfLimit = true
        follower.tell(
            "not every directory can be watched (errno \(-watch)); raise "
                + "fs.inotify.max_user_watches, or changes are seen by rescans only")
    }

    /// Watches that are gone through in one hold of the ledger's lock.
    private static let watchesAtOnce = 4096

    /// Ends the watches of directories that have left the export.
    ///
    /// A watch is on the directory, wherever it goes: it would cost the kernel memory, and tell of
    /// changes that concern nobody here.
    private mutating func endWatches() {
        hasWatchedMoved = false
        guard let inotify else { return }
        var rest = watched.sorted { $0.key < $1.key }[...]
        while !rest.isEmpty {
            let page = rest.prefix(FollowRound.watchesAtOnce)
            rest = rest.dropFirst(page.count)
            let gone = export.ledger.state.withLock { state in
                page.filter { !FollowRound.isInPlace($0.value, state) }
            }
            for (watch, _) in gone {
                _ = dfs_watch_remove(inotify.descriptor.number, watch)
                watched[watch] = nil
            }
        }
        counts.watches = watched.count
    }

    private static func isInPlace(_ directory: Watched, _ state: borrowing LedgerState) -> Bool {
        guard state.tree.contains(directory.place) else { return false }
        let node = state.tree[directory.place]
        return node.kind == .directory && node.stamp.inode == directory.inode
    }

    /// Looks at one name.
    ///
    /// - Returns: Whether it is served, or is not to be forgotten because it could not be asked
    ///   for.
    private mutating func look(at name: [UInt8], in folder: Folder, isDeep: Bool) -> Bool {
        do throws(SystemError) {
            let (sight, isNew) = try export.lookClosely(in: folder, named: name)
            switch sight {
            case .nothing: return false
            case .file: return true
            case .directory(let place):
                if isDeep || isNew { waiting.append((place, isDeep)) }
                return true
            case .unserved(.symlink): counts.symlinks += 1
            case .unserved(.other): counts.others += 1
            case .unserved(.mounted):
                counts.others += 1
                tellMount(
                    at: name, in: folder,
                    "another file system is mounted there and is not served; export it by itself")
            case .unserved: break
            }
            return false
        } catch {
            noteUnreadable(error)
            if error == .covered {
                tellMount(
                    at: name, in: folder,
                    "another file system is mounted over it; what it hides stays listed and is "
                        + "unavailable until that one is unmounted")
            }
            return true
        }
    }

    /// Tells once of a mount, and again when it was away for a full scan.
    private mutating func tellMount(at name: [UInt8], in folder: Folder, _ what: String) {
        let names = export.ledger.state.withLock { state in
            state.tree.contains(folder.place) ? state.tree.components(of: folder.place) : []
        }
        let path = Array((names + [name[...]]).joined(separator: [TreePath.slash]))
        let sentence = "\(Quoting.text(path)): \(what)"
        guard toldMounts.now.insert(sentence).inserted,
            !toldMounts.before.contains(sentence)
        else { return }
        follower.tell(sentence)
    }

    /// Counts what can not be read; a disk that fails, or a lack of something, is tried again soon.
    private mutating func noteUnreadable(_ error: SystemError) {
        counts.unreadable += 1
        // A right that is missing is given by somebody some day, and so is a mount taken away: the
        // usual scan is soon enough.
        if [EACCES, EPERM].contains(error.code) { return }
        if error == .mounted || error == .covered { return }
        hasFailed = true
        if !isFullScan {
            scanAt = min(scanAt, dfs_monotonic_milliseconds() + retryMilliseconds)
        }
    }

    private func forgetMissing(in folder: Folder, except served: Set<[UInt8]>) {
        let missing = export.ledger.state.withLock { state -> [[UInt8]] in
            guard export.isCurrent(folder, state) else { return [] }
            let children = state.tree.children(of: folder.place)
            if children.count == served.count { return [] }
            return children.map { Array(state.tree.name(of: $0)) }.filter { !served.contains($0) }
        }
        for name in missing {
            // A name that can not be asked for is not forgotten.
            _ = try? export.look(in: folder, named: name)
        }
    }

    /// Removes what an interrupted STORE of an earlier run left.
    private func removeLeftover(_ name: [UInt8], in folder: Folder) -> Bool {
        guard export.isLeftover(name) else { return false }
        export.removeTemporary(name, in: folder)
        return true
    }

    private func pauseForDisk() {
        let (backlog, sequence) = export.ledger.state.withLock { ($0.backlog, $0.sequence) }
        // Where the ledger can not be written the scan goes on; it is tried again.
        if backlog > Ledger.backlogLimit { try? export.ledger.waitUntilDurable(sequence) }
    }

    // MARK: Events

    private mutating func takeEvents() {
        for event in inotify?.events() ?? [] {
            if event.isOverflow {
                counts.overflows += 1
                follower.tell("too many changes at once; everything is scanned again")
                scanAt = 0
            } else if event.isEndOfWatch {
                watched[event.watch] = nil
            } else if let directory = watched[event.watch] {
                note(event, in: directory)
            }
        }
        if pending.isTooMuch {
            pending = PendingChanges()
            scanAt = 0
        }
    }

    private mutating func note(_ event: Inotify.Event, in directory: Watched) {
        if event.name.isEmpty {
            if event.isMoveOfWatched { hasWatchedMoved = true }
            if directory.place == LedgerTree.top { presenceAt = 0 }
            return
        }
        if event.name.starts(with: Export.temporaryPrefix), !event.isMoveAway { return }
        let spot = PendingChanges.Spot(folder: directory.place, name: event.name)
        if event.isMoveAway {
            pending.depart(spot, cookie: event.cookie)
        } else if event.isMoveHere {
            pending.arrive(spot, cookie: event.cookie)
        } else {
            pending.add(spot)
        }
        if flushAt == nil {
            flushAt = dfs_monotonic_milliseconds() + Follower.gatherMilliseconds
        }
    }

    private mutating func flush() {
        // The second half of a rename may have come since the first.
        takeEvents()
        let changes = pending.take()
        flushAt =
            pending.isEmpty ? nil : dfs_monotonic_milliseconds() + Follower.gatherMilliseconds
        for (from, target) in changes.moves { follow(from, to: target) }
        for (place, names) in changes.byFolder {
            do throws(SystemError) {
                guard let folder = try export.open(place) else { continue }
                for name in names { _ = look(at: name, in: folder, isDeep: false) }
            } catch {
                noteUnreadable(error)
            }
        }
        // Where it went is known when both halves of its rename have been looked at.
        if hasWatchedMoved, pending.isEmpty {
            endWatches()
            let watches = counts.watches
            follower.progress.update { $0.watches = watches }
        }
        export.ledger.wake()
    }

    /// Lets identities follow a rename that somebody else made.
    private func follow(_ from: PendingChanges.Spot, to target: PendingChanges.Spot) {
        guard Export.isServed(target.name) else { return }
        do throws(SystemError) {
            guard let source = try export.open(from.folder),
                let destination = try export.open(target.folder)
            else { return }
            try export.followMove((source, from.name), (destination, target.name))
        } catch {
            // What could not be followed is looked at name by name, and gets a new identity.
            return
        }
    }
}
