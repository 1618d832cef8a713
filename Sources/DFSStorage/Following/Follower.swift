import CPosix
import DFSProtocol
import Synchronization

/// Keeps the ledger of an export in step with what others do in its folder.
///
/// One thread that scans at start, then watches each directory with inotify, gathers what is told
/// for 200 ms and looks at it; and scans all again now and then, as the net below. Between two
/// directories of a scan it looks after events, so that a long scan delays no edit.
final class Follower: Sendable {
    let export: Export
    let progress = FollowProgress()
    private let rescanMilliseconds: Int64
    private let log: @Sendable (String) -> Void
    private let presence: Presence
    private let isStopped = Atomic(false)
    private let isRescanWanted = Atomic(false)

    /// How long changes are gathered before they are looked at.
    static let gatherMilliseconds: Int64 = 200
    /// How often the folder itself is looked for.
    static let presenceMilliseconds: Int64 = 500

    init(
        _ export: Export, rescanMilliseconds: Int64, _ presence: Presence,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.export = export
        self.rescanMilliseconds = rescanMilliseconds
        self.log = log
        self.presence = presence
    }

    /// Tells that the folder has gone, or is back.
    func tellPresence() { presence.tell() }

    /// Starts the thread.
    func start() {
        NamedThread.start("dfs-follow") { [self] in
            var round = FollowRound(self)
            while !isStopped.load(ordering: .acquiring) { round.turn() }
            progress.finish()
        }
    }

    /// Stops the thread and waits for its end.
    func stop() {
        isStopped.store(true, ordering: .releasing)
        export.found.ring()
        progress.waitUntilFinished()
    }

    /// Scans everything again soon.
    func rescan() {
        isRescanWanted.store(true, ordering: .releasing)
        export.found.ring()
    }

    /// Whether a scan was asked for; asking ends with the answer.
    func takeRescan() -> Bool { isRescanWanted.exchange(false, ordering: .acquiringAndReleasing) }

    /// When the next full scan is due after one that ended at a time.
    func nextScan(after now: Int64) -> Int64 { now + rescanMilliseconds }

    /// Tells whoever runs the server.
    func tell(_ sentence: String) { log("\(Quoting.text(export.folder)): \(sentence)") }
}
