import CPosix
import DFSProtocol
import Glibc

/// One folder is served by one export: a file under two paths would have two identities.
extension ExportOpening {
    /// Refuses a folder that lies inside a folder that is, or was, an export of its own.
    ///
    /// - Parameter folder: Absolute, without symbolic links.
    static func checkStandsAlone(_ folder: [UInt8], _ name: String) throws(RequestError) {
        var above = folder
        while let cut = above.lastIndex(of: TreePath.slash), above.count > 1 {
            above = cut == 0 ? [TreePath.slash] : Array(above[..<cut])
            let ledger = above + [UInt8]("/.dfs/".utf8) + ledgerName
            guard withName(ledger, { access($0, F_OK) }) != 0 else {
                let outer = Quoting.text(above)
                throw RequestError(
                    .badArgument,
                    "the export \(name) lies inside \(outer), which is an export of its own: "
                        + "serve one of them, or remove .dfs from \(outer) if nobody serves it any more"
                )
            }
        }
    }

    /// Refuses two exports of which one lies inside the other.
    static func checkStandApart(_ folders: [[UInt8]]) throws(RequestError) {
        for (index, folder) in folders.enumerated() {
            for (other, inner) in folders.enumerated()
            where other != index && inner.starts(with: folder)
                && (folder.count == 1 || inner.dropFirst(folder.count).first == TreePath.slash)
            {
                throw RequestError(
                    .badArgument,
                    "the export \(Quoting.text(inner)) lies inside the export "
                        + "\(Quoting.text(folder)): serve one of them")
            }
        }
    }
}
