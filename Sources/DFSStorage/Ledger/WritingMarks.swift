import CPosix
import Synchronization

/// Which files have changes that no version counts yet, in `.dfs/writing`, readable after kill -9.
///
/// Each mark is 16 bytes, the identity and the version that was in force: after a restart a file
/// that still has that version is counted up once. Marks are not synced: a power cut takes the
/// changes and their marks alike, and what remained of the changes shows in the file's times.
final class WritingMarks: Sendable {
    private static let markSize = 16

    private struct Slots {
        var free: [Int] = []
        var count = 0
    }

    private let file: Descriptor?
    private let slots = Mutex(Slots())

    /// Takes the open file; nil keeps nothing, for an export that can not be written.
    init(_ file: Descriptor?) { self.file = file }

    /// Reads the marks that the last run left.
    ///
    /// - Returns: Identity and version of each; torn or empty marks are left out.
    func leftovers() -> [(fid: Int64, ver: Int64)] {
        guard let file else { return [] }
        var marks: [(Int64, Int64)] = []
        var offset: Int64 = 0
        while true {
            var mark: (fid: Int64, ver: Int64) = (0, 0)
            let count = withUnsafeMutableBytes(of: &mark) { bytes in
                dfs_read(file.number, bytes.baseAddress, bytes.count, offset)
            }
            guard count == WritingMarks.markSize else { return marks }
            if mark.fid > 0 { marks.append(mark) }
            offset += Int64(WritingMarks.markSize)
        }
    }

    /// Forgets the marks of the last run, once their versions are on disk.
    func reset() {
        guard let file else { return }
        // What stays is counted by its version and does nothing a second time.
        _ = dfs_truncate(file.number, 0)
    }

    /// Marks a file before its first change that is not counted yet.
    ///
    /// - Returns: What `move` and `clear` take.
    func mark(_ fid: Int64, ver: Int64) throws(SystemError) -> Int {
        let slot = slots.withLock { slots in
            if let slot = slots.free.popLast() { return slot }
            slots.count += 1
            return slots.count - 1
        }
        do throws(SystemError) {
            try put(fid, ver, in: slot)
        } catch {
            slots.withLock { $0.free.append(slot) }
            throw error
        }
        return slot
    }

    /// Notes that the version was counted and further changes came meanwhile.
    func move(_ slot: Int, _ fid: Int64, to ver: Int64) throws(SystemError) {
        try put(fid, ver, in: slot)
    }

    /// Takes a mark back: everything is counted.
    func clear(_ slot: Int) {
        // A mark that stays names a version that is no longer in force, and does nothing.
        try? put(0, 0, in: slot)
        slots.withLock { $0.free.append(slot) }
    }

    private func put(_ fid: Int64, _ ver: Int64, in slot: Int) throws(SystemError) {
        guard let file else { return }
        let count = withUnsafeBytes(of: (fid, ver)) { bytes in
            dfs_write(
                file.number, bytes.baseAddress, bytes.count, Int64(slot * WritingMarks.markSize))
        }
        guard count == WritingMarks.markSize else {
            throw SystemError(count < 0 ? Int32(clamping: -count) : ENOSPC)
        }
    }
}
