import CPosix
import DFSProtocol
import FileService
import Synchronization

/// The folders that a file server exports, as one store.
///
/// Each is an ordinary folder: what others do in it is seen within a second. Its own state,
/// identities and versions of files, is in `.dfs` at its top.
public final class DiskStore: FileStore, ChangeSource {
    let table: MountTable
    let log: ChangeLog
    let followers: [Follower]
    let presence = Presence()
    /// What is served where, to be kept by the caller and given to the next `open`.
    public let served: [ServedExport]
    private let startedAt: WallTime
    /// The last page of an inventory, so that the next one need not search.
    let walk = Mutex<InventoryPage?>(nil)

    /// Opens all exports and reads their ledgers; nothing is watched before `start`.
    ///
    /// - Parameter servedBefore: What `served` was when these folders were served before: a folder
    ///   that had another ledger, or has none now, is refused and left as it is. One that is not
    ///   among them may be new.
    /// - Parameter rescan: How often everything is scanned again, as the net below inotify.
    /// - Parameter onChange: Called from any thread after `generation` has risen.
    /// - Parameter log: Takes sentences for whoever runs the server; names in them are quoted.
    /// - Throws: A sentence that names the export: no directory, in use, its ledger damaged or
    ///   another.
    public static func open(
        exports: [ExportSettings], servedBefore: [ServedExport] = [],
        rescan: Duration = .seconds(300),
        onChange: (@Sendable () -> Void)? = nil,
        log: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(RequestError) -> DiskStore {
        let sorted = exports.sorted { $0.mount < $1.mount }
        for (first, second) in zip(sorted, sorted.dropFirst()) where first.mount == second.mount {
            throw RequestError(
                .badArgument, "two exports are mounted at \(first.mount); give each its own place")
        }
        let opened = try sorted.map { (settings) throws(RequestError) in
            try ExportOpening(settings, servedBefore: servedBefore, log: log)
        }
        try ExportOpening.checkStandApart(opened)
        return try DiskStore(opened, rescan: rescan, onChange: onChange, log: log)
    }

    private init(
        _ opened: [ExportOpening], rescan: Duration, onChange: (@Sendable () -> Void)?,
        log tell: @escaping @Sendable (String) -> Void
    ) throws(RequestError) {
        let now = dfs_wall_seconds()
        let mounts = opened.map(\.settings.mount)
        let layout = DiskStore.layout(opened)
        let log = ChangeLog(
            after: DiskStore.firstGeneration(opened, layout, now: now), exports: opened.count)
        if let onChange { log.whenChanged(onChange) }
        var exports: [Export] = []
        // Above every number that any of them ever had: identities are told apart over all exports.
        var opening = opened.map { max($0.header.opening, $0.largestFid >> 32) }.max() ?? 0
        for (number, export) in opened.enumerated() {
            opening = DiskStore.opening(at: now, above: opening)
            exports.append(
                try Export.start(
                    export, number: number, opening: opening, layout: layout,
                    shadows: MountTable.shadows(of: export.settings.mount, among: mounts),
                    log: log))
        }
        self.log = log
        served = opened.map(\.served)
        startedAt = WallTime(seconds: now)
        table = MountTable(exports: exports)
        let milliseconds = max(1, rescan.components.seconds) * 1000
        let presence = presence
        followers = exports.map {
            Follower($0, rescanMilliseconds: milliseconds, presence, log: tell)
        }
    }

    /// The opening of an export: above all earlier ones, also where a ledger was lost.
    ///
    /// Seconds are the floor: a new ledger then gives no identity that an older one gave. A clock
    /// that is far ahead takes no more than half of the numbers that there are.
    private static func opening(
        at now: Int64, above other: Int64
    ) -> Int64 {
        let floor: Int64 = 1_577_836_800  // 2020-01-01; 31 bits last until 2088
        return max(min(now - floor, 1 << 30), other + 1)
    }

    /// Where counting of changes begins: behind all that was told, of whatever set of exports.
    private static func firstGeneration(
        _ opened: [ExportOpening], _ layout: Int64, now: Int64
    ) -> Int64 {
        let newest = opened.map(\.header.generation).max() ?? 0
        if opened.allSatisfy({ $0.header.layout == layout && $0.state != nil }) { return newest }
        return max(newest + (1 << 20), now << 20)
    }

    /// A number for the set of exports; another set has another, for all that chance allows.
    private static func layout(_ opened: [ExportOpening]) -> Int64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for export in opened {
            for byte in export.settings.mount.bytes + [0] + export.folder + [0] {
                hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
            }
        }
        return Int64(hash >> 1) | 1
    }

    /// Begins to scan and to watch; returns at once.
    public func start() {
        for (export, follower) in zip(table.exports, followers) {
            export.ledger.start()
            export.rounds.start(export)
            export.trashCan.start()
            follower.start()
        }
    }

    /// Returns when every export has been scanned once, or the store was closed.
    ///
    /// A folder that is gone before that is waited for: what is not known to be complete is not
    /// told, or an outage would look like a deletion.
    public func waitForFirstScan() {
        for follower in followers { follower.progress.wait { !$0.isScanning } }
    }

    /// Scans everything again soon.
    public func rescan() {
        for follower in followers { follower.rescan() }
    }

    /// Stops watching, writes what waits and lets the folders go.
    ///
    /// - Throws: `no-space` or `io` where a ledger could not be written to the end.
    public func close() throws(RequestError) {
        for export in table.exports { export.watches.stop() }
        for follower in followers { follower.stop() }
        var failure: RequestError?
        for export in table.exports {
            export.trashCan.stop()
            export.rounds.stop()
            do throws(RequestError) { try export.ledger.close() } catch { failure = error }
            export.release()
        }
        if let failure { throw failure }
    }

    /// Lets go of everything without writing, as kill -9 would; for tests of restarts.
    func abandon() {
        for export in table.exports {
            export.watches.stop()
            export.ledger.abandon()
        }
        for follower in followers { follower.stop() }
        for export in table.exports {
            export.trashCan.stop()
            export.rounds.stop()
            export.release()
        }
    }

    // MARK: Routing

    /// Where the exports stand in the tree.
    public var mounts: [TreePath] { table.mounts }

    func owner(of path: TreePath) throws(RequestError) -> Export {
        if let export = table.owner(of: path) { return export }
        if !table.names(in: path).isEmpty {
            throw RequestError(
                .denied, path: path, "it only leads to exports; choose a path below one of them")
        }
        throw RequestError(
            .notFound, path: path, "no export of this server stands at or above this path")
    }

    /// A directory above mounts, which no disk has.
    func syntheticEntry(_ path: TreePath) -> FileEntry {
        FileEntry(
            path: path, isDirectory: true,
            facts: FileFacts(size: 0, mtime: startedAt, mode: FileMode(bits: 0o755), ver: 0))
    }
}
