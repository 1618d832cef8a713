import CPosix
import DFSDatabase
import DFSProtocol
import Glibc

/// An export whose folder is open and whose ledger has been read, but which serves nothing yet.
///
/// All exports of a store are opened this far before the first one starts: their changes are
/// counted in one order, which begins behind the highest of their generations.
struct ExportOpening {
    let settings: ExportSettings
    let folder: [UInt8]
    let root: Descriptor
    let state: Descriptor?
    let claim: Descriptor?
    let marks: WritingMarks
    let moves: MovingMarks
    let store: any LedgerStore
    let header: LedgerHeader
    let tree: LedgerTree
    /// Rows that hang in no directory.
    let lost: [NodeID]
    /// The largest identity that was ever kept.
    let largestFid: Int64

    /// The file in `.dfs` that holds the ledger.
    static let ledgerName = [UInt8]("ledger.sqlite".utf8)

    /// What tells this export, as it is now, from another that might stand in its place.
    var served: ServedExport {
        ServedExport(mount: settings.mount, folder: folder, ledger: header.identity)
    }

    /// Opens a folder, claims it for this process and reads its ledger.
    ///
    /// - Parameter servedBefore: What stood where; a folder that is known must have its ledger.
    /// - Throws: a sentence for who starts the server.
    init(
        _ settings: ExportSettings, servedBefore: [ServedExport], log: @Sendable (String) -> Void
    ) throws(RequestError) {
        self.settings = settings
        let name = Quoting.text(settings.folder)
        do throws(SystemError) {
            folder = try ExportOpening.resolve(settings.folder)
            root = try Descriptor(
                withName(folder) { dfs_openat(AT_FDCWD, $0, O_RDONLY | dfs_o_directory, 0) })
        } catch {
            throw RequestError(
                DiskRefusal.of(error, nil).code,
                "the export \(name) can not be opened: \(String(cString: strerror(error.code)))")
        }
        let folder = folder
        let expected = servedBefore.last { $0.mount == settings.mount && $0.folder == folder }
        try ExportOpening.checkLedgerIsThere(root, expected, name)
        try ExportOpening.checkStandsAlone(folder, root, name)
        state = try ExportOpening.openState(root, name)
        guard let state else {
            let kept = try ReadOnlyState(in: root, name, log)
            (claim, store) = (kept.claim, VolatileLedgerStore())
            (marks, moves) = (kept.marks, kept.moves)
            (header, tree, lost, largestFid) = (kept.header, kept.tree, kept.lost, kept.largestFid)
            try ExportOpening.checkLedger(header.identity, is: expected, name)
            return
        }
        claim = try ExportOpening.claim(state, name)
        do throws(SystemError) {
            marks = WritingMarks(try ExportOpening.file("writing", in: state))
            moves = MovingMarks(try ExportOpening.file("moving", in: state))
        } catch {
            throw ExportOpening.refusal(error, name)
        }
        do throws(DatabaseFailure) {
            // By descriptor, whose name SQLite asks for each time that it opens a file. That name
            // follows the folder, but not below a mount: before a later file is made it is checked.
            let file = String(decoding: ExportOpening.ledgerName, as: UTF8.self)
            let database = try LedgerDatabase(at: "/proc/self/fd/\(state.number)/\(file)") {
                state.isReachable
            }
            var (tree, largest) = (LedgerTree(), Int64(0))
            header = try database.load { row in
                tree.restore(row.node, named: row.name, at: row.id)
                largest = max(largest, row.node.fid)
            }
            lost = tree.link()
            (self.tree, largestFid, store) = (tree, largest, database)
        } catch {
            throw RequestError(.io, "the ledger of the export \(name): \(error.description)")
        }
        try ExportOpening.checkLedger(header.identity, is: expected, name)
    }

    static func refusal(_ error: SystemError, _ name: String) -> RequestError {
        let reason =
            error == .mounted
            ? "another file system is mounted there" : String(cString: strerror(error.code))
        return RequestError(
            DiskRefusal.of(error, nil).code,
            "the folder .dfs in the export \(name) can not be used: \(reason)")
    }

    private static func resolve(_ folder: [UInt8]) throws(SystemError) -> [UInt8] {
        guard let path = withName(folder, { realpath($0, nil) }) else { throw SystemError(errno) }
        defer { free(path) }
        return UnsafeBufferPointer(start: path, count: strlen(path)).map { UInt8(bitPattern: $0) }
    }

    /// Opens `.dfs`, made where it is missing; nil on a file system that can not be written.
    private static func openState(
        _ root: Descriptor, _ name: String
    ) throws(RequestError) -> Descriptor? {
        // Where .dfs is there, making it says so, also on such a file system.
        if isReadOnly(root) { return nil }
        do throws(SystemError) {
            let state = [UInt8](".dfs".utf8)
            let made = withName(state) { dfs_make_directory(root.number, $0, 0o700) }
            if made < 0, made != -EEXIST { throw SystemError(-made) }
            let descriptor = try Export.open(state, in: root, O_RDONLY | dfs_o_directory)
            let trash = withName(TrashCan.name) {
                dfs_make_directory(descriptor.number, $0, 0o700)
            }
            if trash < 0, trash != -EEXIST { throw SystemError(-trash) }
            if made == 0 { try root.sync() }
            return descriptor
        } catch {
            guard error.code == EROFS else { throw refusal(error, name) }
            return nil
        }
    }

    static func file(
        _ name: String, in state: Descriptor, _ flags: Int32 = O_RDWR | O_CREAT
    ) throws(SystemError) -> Descriptor {
        try Descriptor(
            withName([UInt8](name.utf8)) {
                dfs_openat(state.number, $0, flags | dfs_o_nofollow, 0o600)
            })
    }

    static func claim(
        _ state: Descriptor, _ name: String, _ flags: Int32 = O_RDWR | O_CREAT
    ) throws(RequestError) -> Descriptor {
        do throws(SystemError) {
            let lock = try file("lock", in: state, flags)
            try SystemError.check(dfs_try_lock(lock.number))
            return lock
        } catch {
            guard error.code == EWOULDBLOCK else { throw refusal(error, name) }
            throw RequestError(
                .busy, "the export \(name) is served by another process; stop that one first")
        }
    }
}

extension Export {
    /// Starts to serve what was opened: raises the opening durably and settles what the last run
    /// left.
    static func start(
        _ opened: ExportOpening, number: Int, opening: Int64, layout: Int64, shadows: Set<[UInt8]>,
        log: ChangeLog
    ) throws(RequestError) -> Export {
        var state = LedgerState(
            mount: opened.settings.mount, export: number, opening: opening, log: log)
        state.restore(opened.tree, forgetting: opened.lost)
        func look(_ path: [UInt8]) -> FileStatus? {
            // What can not be looked at now is counted when the scan can.
            let probe = try? Export.open(path, in: opened.root, dfs_o_path | dfs_o_nofollow)
            // As above: the scan asks again.
            return try? probe?.status()
        }
        // What a run that was killed had written and made is in memory at best: its names too.
        if opened.state != nil { dfs_write_all(opened.root.number) }
        // Moves first: versions are counted where the names are now.
        state.settleMoves(opened.moves.leftovers(), look)
        state.countLeftovers(opened.marks.leftovers(), look)
        let header = LedgerHeader(
            opening: opening, generation: log.ceiling, layout: layout,
            identity: opened.header.identity)
        let batch = state.takeBatch()
        do throws(DatabaseFailure) {
            try opened.store.commit(batch.rows, forgetting: batch.forgotten, header)
        } catch {
            throw DiskRefusal.of(error)
        }
        state.settle(batch, isKept: true)
        opened.marks.reset()
        opened.moves.reset()
        log.advance(export: number, to: batch.sequence)
        let name = Quoting.text(opened.settings.folder)
        let parts: ExportParts
        do throws(SystemError) {
            parts = ExportParts(
                mount: opened.settings.mount, folder: opened.folder, root: opened.root,
                rootIdentity: try opened.root.status().identity,
                ledger: Ledger(
                    state, in: opened.store, header: header, export: number, log: log),
                marks: opened.marks, moves: opened.moves, watches: try FileWatches(),
                found: try FolderQueue(), state: opened.state,
                claim: opened.claim, shadows: shadows, opening: opening)
        } catch {
            throw RequestError(
                DiskRefusal.of(error, nil).code, "the export \(name) can not be started")
        }
        return Export(parts)
    }
}
