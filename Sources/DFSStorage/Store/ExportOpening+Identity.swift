import CPosix
import DFSProtocol
import Glibc

extension ExportOpening {
    /// Refuses a folder without the ledger that it had, before anything is made in it.
    static func checkLedgerIsThere(
        _ root: Descriptor, _ expected: ServedExport?, _ name: String
    ) throws(RequestError) {
        guard let expected else { return }
        do throws(SystemError) {
            let path = [UInt8](".dfs/".utf8) + ledgerName
            _ = try Export.open(path, in: root, dfs_o_path | dfs_o_nofollow)
        } catch {
            guard [ENOENT, ENOTDIR, ELOOP].contains(error.code) else {
                throw refusal(error, name)
            }
            // Where nothing can be written there was no ledger before, either.
            if expected.ledger == 0, isReadOnly(root) { return }
            throw anotherFolder(expected, name, "it has no ledger (.dfs/ledger.sqlite) now")
        }
    }

    /// Refuses a folder with another ledger than it had.
    static func checkLedger(
        _ ledger: Int64, is expected: ServedExport?, _ name: String
    ) throws(RequestError) {
        guard let expected, expected.ledger != ledger else { return }
        throw anotherFolder(expected, name, "it has another ledger (.dfs/ledger.sqlite) now")
    }

    private static func anotherFolder(
        _ expected: ServedExport, _ name: String, _ difference: String
    ) -> RequestError {
        let mount = Quoting.text(expected.mount.bytes)
        return RequestError(
            .io,
            "the export \(name) at \(mount) is not the folder that was served there before: "
                + "\(difference). If its disk is not mounted, mount it and start again; if the "
                + "folder is meant to be new, start once with --new-export \(mount)")
    }

    static func isReadOnly(_ root: Descriptor) -> Bool {
        var status = statvfs()
        return fstatvfs(root.number, &status) == 0 && status.f_flag & UInt(ST_RDONLY) != 0
    }
}
