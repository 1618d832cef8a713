/// Which files have changes that no version on the disk counts yet, in `.dfs/writing`.
///
/// Each mark is 16 bytes, the identity and the version that was last told: after a restart a file
/// whose ledger has no higher one is counted up, once, to the version behind it. So no version is
/// told twice for two contents, also where the ledger could not keep the one that was told. Marks
/// are not synced: a power cut takes the changes and their marks alike, and what remained of the
/// changes shows in the file's times.
final class WritingMarks: Sendable {
    /// A file's identity and the version that was last told of it.
    typealias Mark = (fid: Int64, ver: Int64)

    /// One block: as many files are marked also where the disk is full.
    private static let reservedSize = 4096

    private let slots: SlotFile

    /// Takes the open file; nil keeps nothing, for an export that can not be written.
    init(_ file: Descriptor?) {
        slots = SlotFile(
            file, slotBytes: MemoryLayout<Mark>.size, reservedBytes: WritingMarks.reservedSize)
    }

    /// Reads the marks that the last run left; torn or empty ones are left out.
    func leftovers() -> [Mark] {
        var marks: [Mark] = []
        slots.leftovers { bytes in
            let mark = bytes.loadUnaligned(as: Mark.self)
            if mark.fid > 0, mark.ver >= 0 { marks.append(mark) }
        }
        return marks
    }

    /// Forgets the marks of the last run, once their versions are on disk.
    ///
    /// What stays is counted by its version and does nothing a second time.
    func reset() { slots.reset() }

    /// Marks a file before its first change that is not counted yet.
    ///
    /// - Returns: What `move` and `clear` take.
    func mark(_ fid: Int64, ver: Int64) throws(SystemError) -> Int {
        try withMark(fid, ver) { (bytes) throws(SystemError) in try slots.take(bytes) }
    }

    /// Notes another version: one that was counted and is not kept, or that further changes follow.
    func move(_ slot: Int, _ fid: Int64, to ver: Int64) throws(SystemError) {
        try withMark(fid, ver) { (bytes) throws(SystemError) in try slots.put(bytes, in: slot) }
    }

    /// Takes a mark back: everything is counted, on the disk too.
    ///
    /// One that stays names a version that is no longer the highest, and does nothing.
    func clear(_ slot: Int) { slots.free(slot) }

    private func withMark<Value>(
        _ fid: Int64, _ ver: Int64,
        _ body: (UnsafeRawBufferPointer) throws(SystemError) -> Value
    ) throws(SystemError) -> Value {
        let mark: Mark = (fid, ver)
        return try withUnsafeBytes(of: mark) { bytes in
            Result { () throws(SystemError) in try body(bytes) }
        }.get()
    }
}
