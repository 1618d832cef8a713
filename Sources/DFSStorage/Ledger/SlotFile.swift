import CPosix
import Synchronization

/// A file of slots of one size, each of which is taken, overwritten in place and given back.
///
/// What stands in it outlives a kill of this process; it is not synced: a power cut may take it.
/// Slots are used again, so that the file is as long as the most that were in use at once.
final class SlotFile: Sendable {
    private struct Slots {
        var free: [Int] = []
        var count = 0
    }

    private let file: Descriptor?
    private let slotBytes: Int
    private let reservedBytes: Int
    private let slots = Mutex(Slots())

    /// Takes the open file; nil keeps nothing, for an export that can not be written.
    ///
    /// - Parameters:
    ///   - slotBytes: A part of a page, so that no slot lies in two of them.
    ///   - reservedBytes: What `reset` leaves in the file, to be there where the disk is full.
    init(_ file: Descriptor?, slotBytes: Int, reservedBytes: Int = 0) {
        self.file = file
        self.slotBytes = slotBytes
        self.reservedBytes = reservedBytes
    }

    /// Shows what the last run left, slot by slot.
    ///
    /// Free ones hold zeros, and one that is torn is left out.
    func leftovers(_ visit: (UnsafeRawBufferPointer) -> Void) {
        guard let file else { return }
        withUnsafeTemporaryAllocation(byteCount: slotBytes, alignment: 8) { bytes in
            var offset: Int64 = 0
            while dfs_read(file.number, bytes.baseAddress, slotBytes, offset) == slotBytes {
                visit(UnsafeRawBufferPointer(bytes))
                offset += Int64(slotBytes)
            }
        }
    }

    /// Empties the file, once nobody needs what the last run left.
    func reset() {
        guard let file else { return }
        // Whoever reads what stays checks it, and space that is not to be had now may be had when a
        // slot is taken.
        _ = dfs_truncate(file.number, 0)
        if reservedBytes == 0 { return }
        let zeros = [UInt8](repeating: 0, count: reservedBytes)
        _ = zeros.withUnsafeBytes { dfs_write(file.number, $0.baseAddress, $0.count, 0) }
    }

    /// Takes a free slot and writes it.
    ///
    /// - Returns: What `put` and `free` take.
    func take(_ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int {
        let slot = slots.withLock { slots in
            if let slot = slots.free.popLast() { return slot }
            slots.count += 1
            return slots.count - 1
        }
        do throws(SystemError) { try put(bytes, in: slot) } catch {
            slots.withLock { $0.free.append(slot) }
            throw error
        }
        return slot
    }

    /// Overwrites a slot that was taken.
    func put(_ bytes: UnsafeRawBufferPointer, in slot: Int) throws(SystemError) {
        guard let file else { return }
        let count = dfs_write(
            file.number, bytes.baseAddress, min(bytes.count, slotBytes), Int64(slot * slotBytes))
        guard count == slotBytes else {
            throw SystemError(count < 0 ? Int32(clamping: -count) : ENOSPC)
        }
    }

    /// Gives a slot back and writes zeros over it.
    func free(_ slot: Int) {
        let zeros = [UInt8](repeating: 0, count: slotBytes)
        zeros.withUnsafeBytes { zeros in
            // What can not be overwritten is checked by whoever reads it.
            try? put(zeros, in: slot)
        }
        slots.withLock { $0.free.append(slot) }
    }
}
