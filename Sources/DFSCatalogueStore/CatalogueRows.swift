import DFSDatabase
import DFSProtocol
import NameService

extension CatalogueServer {
    /// Reads a row of `allServers`; what no server of ours can be is damage.
    init(row: borrowing ResultRow) throws {
        guard let id = ServerID(try row.text(1)) else { throw damage("a server's id") }
        let addressText = try row.text(2)
        let mountBytes = try row.bytes(5)
        let leaveNumber = try row.integer(6)
        let leave = Leave(rawValue: leaveNumber)
        guard leave != nil || leaveNumber == 0 else { throw damage("a server's leave") }
        let address: Endpoint
        let mounts: [TreePath]
        do throws(RequestError) {
            address = try Endpoint(addressText)
            mounts = try MountList.mounts(in: mountBytes)
        } catch {
            throw damage("a server's address or mounts")
        }
        self.init(
            number: try row.integer(0, as: UInt32.self), id: id, address: address,
            epoch: try row.integer(3), generation: try row.optionalInteger(4), mounts: mounts,
            leave: leave, lastSeen: try row.integer(7),
            isRetired: try row.integer(8) != 0)
    }
}

extension CatalogueOperation {
    /// Reads a row of `allOperations`.
    init(row: borrowing ResultRow) throws {
        guard let stage = Stage(rawValue: try row.integer(2)) else {
            throw damage("an operation's stage")
        }
        let bytes = try row.bytes(0)
        let op: OperationID
        do throws(RequestError) {
            op = try OperationID(bytes)
        } catch {
            throw damage("an operation's name")
        }
        self.init(
            op: op, request: try row.bytes(1), stage: stage, answer: try row.bytes(3),
            node: try row.integer(4, as: UInt32.self), server: try row.integer(5, as: UInt32.self),
            fid: try row.integer(6))
    }
}

extension CatalogueNode {
    /// Reads a row of `allNodes`; what can not stand in a tree is damage.
    init(row: borrowing ResultRow) throws {
        guard let kind = Kind(rawValue: try row.integer(3)) else { throw damage("a node's kind") }
        let name = try row.bytes(2)
        guard name.isComponent else { throw damage("a node's name") }
        let number = try row.integer(0, as: UInt32.self)
        guard number != 0 else { throw damage("a node in the place of the root") }
        self.init(
            number: number, parent: try row.integer(1, as: UInt32.self), name: name, kind: kind,
            server: try row.integer(4, as: UInt32.self), facts: try FileFacts(row: row, from: 5),
            isExplicit: try row.integer(11) != 0, deadline: try row.integer(12))
    }
}

extension [UInt8] {
    /// Whether the bytes can be one name in the tree.
    ///
    /// Only what starts with a dot, or is empty, needs the whole rule: a million names are looked
    /// at, and the generic check costs a microsecond.
    fileprivate var isComponent: Bool {
        guard count <= Limits.componentBytes, let first else { return false }
        for byte in self where byte == 0 || byte == TreePath.slash { return false }
        return first != UInt8(ascii: ".") || TreePath.refusal(component: self) == nil
    }
}

extension CatalogueHolding {
    /// Reads a row of `allHoldings`; no size means a directory.
    init(row: borrowing ResultRow) throws {
        self.init(
            node: try row.integer(0, as: UInt32.self), server: try row.integer(1, as: UInt32.self),
            facts: row.isNull(2) ? nil : try FileFacts(row: row, from: 2))
    }
}

extension FileFacts {
    /// Reads six columns: size, seconds, nanoseconds, mode, fid, ver.
    fileprivate init(row: borrowing ResultRow, from first: Int32) throws {
        let seconds = try row.integer(first + 1)
        let nanoseconds = try row.integer(first + 2, as: Int32.self)
        let mtime = WallTime(seconds: seconds, nanoseconds: nanoseconds)
        guard mtime.seconds == seconds, mtime.nanoseconds == nanoseconds else {
            throw damage("a time")
        }
        var mode: FileMode?
        if let bits = try row.optionalInteger(first + 3) {
            guard (0...0o777).contains(bits) else { throw damage("a mode") }
            mode = FileMode(bits: UInt32(bits))
        }
        let size = try row.integer(first)
        let fid = try row.integer(first + 4)
        let ver = try row.integer(first + 5)
        guard size >= 0, fid >= 0, ver >= 0 else { throw damage("a size or version") }
        self.init(size: size, mtime: mtime, mode: mode, fid: fid, ver: ver)
    }
}

private func damage(_ what: String) -> DatabaseFailure {
    DatabaseFailure(
        .damaged, "it is damaged (\(what) makes no sense): move it away or restore a copy")
}
