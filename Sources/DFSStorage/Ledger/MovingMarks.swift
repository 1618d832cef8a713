import DFSProtocol

/// Which names are being given another place, in `.dfs/moving`, readable after kill -9.
///
/// A mark is written before the rename on the disk and taken back when the ledger has committed it.
/// It is a hint and the disk decides: after a restart a name moves in the ledger only where the
/// disk shows its inode at the new place and no longer at the old one, so a mark that stays does no
/// harm.
///
/// Promised is that a kill between the two loses no identity. A power cut can take a mark and spare
/// its rename: only a RENAME that was answered OK keeps the identity then, because its ledger and
/// directories were on the disk before the answer.
final class MovingMarks: Sendable {
    /// A name on its way.
    struct Mark: Equatable, Sendable {
        var place: NodeID
        /// Identity of a file; 0 for a directory.
        var fid: Int64
        var inode: UInt64
        /// The directory that it goes to.
        var parent: NodeID
        var parentInode: UInt64
        var name: [UInt8]
    }

    /// A sector, so that no mark lies in two pages.
    private static let markSize = 512
    private static let nameOffset = 48
    /// One block: as many renames at once are marked also where the disk is full.
    private static let reservedSize = 4096

    private let slots: SlotFile

    /// Takes the open file; nil keeps nothing, for an export that can not be written.
    init(_ file: Descriptor?) {
        slots = SlotFile(
            file, slotBytes: MovingMarks.markSize, reservedBytes: MovingMarks.reservedSize)
    }

    /// Reads the marks that the last run left; torn or empty ones are left out.
    func leftovers() -> [Mark] {
        var marks: [Mark] = []
        slots.leftovers { bytes in
            if let mark = MovingMarks.mark(in: bytes) { marks.append(mark) }
        }
        return marks
    }

    /// Forgets the marks of the last run, once the ledger on disk has what they stand for.
    ///
    /// What stays is checked against the disk again.
    func reset() { slots.reset() }

    /// Marks a name before it moves on the disk.
    ///
    /// - Returns: What `clear` takes.
    func mark(_ mark: Mark) throws(SystemError) -> Int {
        try MovingMarks.bytes(of: mark).withUnsafeBytes { bytes in
            Result { () throws(SystemError) in try slots.take(bytes) }
        }.get()
    }

    /// Takes a mark back: the ledger has the move, or there was none.
    ///
    /// One that stays is checked against the disk, and does nothing.
    func clear(_ slot: Int) { slots.free(slot) }

    private static func bytes(of mark: Mark) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(markSize)
        let numbers = [
            UInt64(mark.place), UInt64(bitPattern: mark.fid), mark.inode, UInt64(mark.parent),
            mark.parentInode, UInt64(mark.name.count),
        ]
        for number in numbers { withUnsafeBytes(of: number.littleEndian) { bytes += $0 } }
        bytes += mark.name
        return bytes + [UInt8](repeating: 0, count: markSize - bytes.count)
    }

    private static func mark(in bytes: UnsafeRawBufferPointer) -> Mark? {
        func number(_ index: Int) -> UInt64 {
            bytes[(8 * index)..<(8 * index + 8)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard let place = NodeID(exactly: number(0)), place != LedgerTree.top,
            let parent = NodeID(exactly: number(3)),
            let length = Int(exactly: number(5)), (1...255).contains(length)
        else { return nil }
        return Mark(
            place: place, fid: Int64(bitPattern: number(1)), inode: number(2), parent: parent,
            parentInode: number(4), name: Array(bytes[nameOffset..<(nameOffset + length)]))
    }
}

extension LedgerState {
    /// Moves what a run that was killed had moved on the disk and not yet in the ledger.
    ///
    /// A move may be seen only after another one, of the directory that it leads to: marks are gone
    /// through until none does anything more. What stands in the way is put aside first, because it
    /// may have moved too, and is forgotten at the end where it has not.
    ///
    /// - Parameter look: Asks the disk for a path from the top; nil where there is nothing.
    mutating func settleMoves(
        _ marks: [MovingMarks.Mark], _ look: ([UInt8]) -> FileStatus?
    ) {
        var rest = marks
        var aside: [NodeID] = []
        while let index = rest.firstIndex(where: { settle($0, &aside, look) }) {
            rest.remove(at: index)
        }
        for place in aside where tree.name(of: place).elementsEqual(LedgerState.asideName(place)) {
            _ = drop(place)
        }
    }

    /// A name that no file is served under.
    private static func asideName(_ place: NodeID) -> [UInt8] {
        Export.temporaryPrefix + [UInt8]("moving-\(place)".utf8)
    }

    private func path(_ parent: NodeID, _ name: some Sequence<UInt8>) -> [UInt8] {
        let components = tree.components(of: parent) + [ArraySlice(name)]
        return Array(components.joined(separator: [TreePath.slash]))
    }

    /// - Returns: Whether the ledger was changed.
    private mutating func settle(
        _ mark: MovingMarks.Mark, _ aside: inout [NodeID], _ look: ([UInt8]) -> FileStatus?
    ) -> Bool {
        guard tree.contains(mark.place), tree.contains(mark.parent) else { return false }
        let (node, parent) = (tree[mark.place], tree[mark.parent])
        let isKnown =
            switch node.kind {
            case .file: node.fid == mark.fid
            case .directory: mark.fid == 0 && node.stamp.inode == mark.inode
            case .free: false
            }
        guard isKnown, parent.kind == .directory,
            mark.parent == LedgerTree.top || parent.stamp.inode == mark.parentInode,
            tree.child(of: mark.parent, named: mark.name) != mark.place,
            !tree.isWithin(mark.parent, mark.place),
            let status = look(path(mark.parent, mark.name)), status.stamp.inode == mark.inode,
            status.kind == (node.kind == .file ? .file : .directory),
            // Two names of one file: it has not moved while its old name is there.
            look(path(node.parent, tree.name(of: mark.place)))?.stamp.inode != mark.inode
        else { return false }
        if let other = tree.child(of: mark.parent, named: mark.name) {
            move(other, to: LedgerTree.top, named: LedgerState.asideName(other), nil)
            aside.append(other)
        }
        let isSame = node.kind == .directory || node.stamp.hasSameContents(as: status.stamp)
        // What was changed as well is counted by its mark or by the first scan.
        move(mark.place, to: mark.parent, named: mark.name, isSame ? status : nil)
        return true
    }
}
