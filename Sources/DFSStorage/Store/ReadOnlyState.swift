import CPosix
import DFSDatabase
import DFSProtocol
import Glibc

/// What an earlier run left in `.dfs` on a file system that can not be written now.
///
/// A disk that the kernel has made read-only after an error still has all its files, and their
/// identities and versions in the ledger. They are served for reading, as they were known.
struct ReadOnlyState {
    /// Locked as long as this process serves the folder; nil where there is nothing to lock.
    var claim: Descriptor?
    var marks = WritingMarks(nil)
    var moves = MovingMarks(nil)
    var header = LedgerHeader()
    var tree = LedgerTree()
    var lost: [NodeID] = []
    var largestFid: Int64 = 0

    /// Reads what there is; nothing is kept of what is found from then on.
    ///
    /// - Throws: A sentence for who starts the server.
    init(
        in root: Descriptor, _ name: String, _ log: @Sendable (String) -> Void
    ) throws(RequestError) {
        guard let state = try ReadOnlyState.open(root, name) else {
            log(
                "\(name) is read-only: identities and versions of its files begin anew at each start"
            )
            return
        }
        claim = try ExportOpening.claim(state, name, O_RDONLY)
        do throws(SystemError) {
            marks = WritingMarks(try ReadOnlyState.marks("writing", in: state))
            moves = MovingMarks(try ReadOnlyState.marks("moving", in: state))
        } catch {
            throw ExportOpening.refusal(error, name)
        }
        do throws(DatabaseFailure) {
            let copy = try LedgerCopy(of: state)
            header = try copy.load { row in
                tree.restore(row.node, named: row.name, at: row.id)
                largestFid = max(largestFid, row.node.fid)
            }
            lost = tree.link()
        } catch {
            throw RequestError(
                .io, "a copy of the ledger of the export \(name): \(error.description)")
        }
        log(
            "\(name) is read-only: its files are served for reading, as they were known; start the "
                + "server anew when it can be written")
    }

    /// Opens a file of marks; nil where there is none yet.
    private static func marks(
        _ name: String, in state: Descriptor
    ) throws(SystemError) -> Descriptor? {
        do throws(SystemError) {
            return try ExportOpening.file(name, in: state, O_RDONLY)
        } catch {
            guard error.code == ENOENT else { throw error }
            return nil
        }
    }

    /// Opens `.dfs`; nil where it is missing or has no ledger.
    private static func open(
        _ root: Descriptor, _ name: String
    ) throws(RequestError) -> Descriptor? {
        do throws(SystemError) {
            let path = [UInt8](".dfs".utf8)
            let state = try Export.open(path, in: root, O_RDONLY | dfs_o_directory)
            _ = try Export.open(ExportOpening.ledgerName, in: state, dfs_o_path | dfs_o_nofollow)
            return state
        } catch {
            if [ENOENT, ENOTDIR, ELOOP].contains(error.code) { return nil }
            throw ExportOpening.refusal(error, name)
        }
    }
}

/// A copy of a ledger and its log, in the folder for temporary files, gone at its own end.
///
/// SQLite reads a log only where it could write it, and a database that is opened as immutable
/// without its log: the changes since the last checkpoint, which are in the log alone, would be
/// missing.
private final class LedgerCopy: Sendable {
    private let folder: String
    /// What SQLite, and a replacement that was interrupted, leave beside the file.
    private static let parts = ["", "-wal", "-ready"]

    init(of state: Descriptor) throws(DatabaseFailure) {
        // As every other program: where the user says, or in the usual place.
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        // mkdtemp writes the name that it chose over the X.
        var template = Array("\(parent)/dfs-ledger-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let made else { throw LedgerCopy.failure(parent, errno) }
        folder = made
        for part in LedgerCopy.parts {
            let name = String(decoding: ExportOpening.ledgerName, as: UTF8.self) + part
            do throws(SystemError) {
                try LedgerCopy.copy(name, from: state.number, to: "\(made)/\(name)")
            } catch {
                if error.code == ENOENT, !part.isEmpty { continue }
                throw LedgerCopy.failure(made, error.code)
            }
        }
    }

    deinit {
        // What stays behind is a copy in the folder for temporary files.
        for part in LedgerCopy.parts + ["-reserve"] {
            unlink("\(folder)/\(String(decoding: ExportOpening.ledgerName, as: UTF8.self))\(part)")
        }
        rmdir(folder)
    }

    /// Reads everything, as `LedgerStore.load`.
    func load(
        _ visit: (LedgerRow) throws -> Void
    ) throws(DatabaseFailure) -> LedgerHeader {
        let name = String(decoding: ExportOpening.ledgerName, as: UTF8.self)
        let database = try LedgerDatabase(at: "\(folder)/\(name)")
        let header = try database.load(visit)
        try database.close()
        return header
    }

    private static func copy(
        _ name: String, from state: Int32, to path: String
    ) throws(SystemError) {
        let source = try Descriptor(dfs_openat(state, name, O_RDONLY | dfs_o_nofollow, 0))
        let flags = O_WRONLY | O_CREAT | O_EXCL | dfs_o_nofollow
        let target = try Descriptor(dfs_openat(AT_FDCWD, path, flags, 0o600))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        var offset: Int64 = 0
        while true {
            let count = dfs_read(source.number, buffer.baseAddress, buffer.count, offset)
            guard count >= 0 else { throw SystemError(Int32(clamping: -count)) }
            if count == 0 { return }
            var done = 0
            while done < count {
                let written = dfs_write(
                    target.number, buffer.baseAddress?.advanced(by: done), count - done,
                    offset + Int64(done))
                guard written > 0 else { throw SystemError(Int32(clamping: -written)) }
                done += written
            }
            offset += Int64(count)
        }
    }

    private static func failure(_ place: String, _ code: Int32) -> DatabaseFailure {
        DatabaseFailure(
            .cannotOpen,
            "it can not be made in \(Quoting.text([UInt8](place.utf8))) "
                + "(\(String(cString: strerror(code)))): have TMPDIR name a folder with room for it"
        )
    }
}
