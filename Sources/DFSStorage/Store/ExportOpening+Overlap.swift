import CPosix
import DFSProtocol
import Glibc

/// One folder is served by one export: a file under two paths would have two identities.
///
/// Another file system that is mounted inside an export is none of its own, and can be one itself.
extension ExportOpening {
    /// Refuses a folder that lies inside a folder that is, or was, an export of its own.
    ///
    /// - Parameter folder: Absolute, without symbolic links.
    static func checkStandsAlone(
        _ folder: [UInt8], _ root: Descriptor, _ name: String
    ) throws(RequestError) {
        var above = folder
        while let cut = above.lastIndex(of: TreePath.slash), above.count > 1 {
            above = cut == 0 ? [TreePath.slash] : Array(above[..<cut])
            let ledger = above + [UInt8]("/.dfs/".utf8) + ledgerName
            if withName(ledger, { access($0, F_OK) }) != 0 || isApart(root, from: above) {
                continue
            }
            let outer = Quoting.text(above)
            throw RequestError(
                .badArgument,
                "the export \(name) lies inside \(outer), which is an export of its own: "
                    + "serve one of them, or remove .dfs from \(outer) if nobody serves it any more"
            )
        }
    }

    /// Refuses two exports of which one lies inside the other.
    static func checkStandApart(_ opened: [ExportOpening]) throws(RequestError) {
        for (index, outer) in opened.enumerated() {
            for (other, inner) in opened.enumerated()
            where other != index && inner.folder.starts(with: outer.folder)
                && (outer.folder.count == 1
                    || inner.folder.dropFirst(outer.folder.count).first == TreePath.slash)
                && !isApart(inner.root, from: outer.folder)
            {
                throw RequestError(
                    .badArgument,
                    "the export \(Quoting.text(inner.folder)) lies inside the export "
                        + "\(Quoting.text(outer.folder)): serve one of them")
            }
        }
    }

    /// Whether a folder is on another file system, mounted below the one in which it lies.
    ///
    /// Both are asked for: the same file system can be mounted twice, and a part of one (a
    /// subvolume) can have a device number of its own.
    private static func isApart(_ inner: Descriptor, from outer: [UInt8]) -> Bool {
        // What can not be looked at is not known to be apart.
        guard let inner = try? inner.status(), let outer = try? FileStatus(in: -1, named: outer)
        else { return false }
        return inner.mount != outer.mount && inner.identity.device != outer.identity.device
    }
}
