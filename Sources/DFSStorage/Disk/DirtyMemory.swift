import CPosix
import Glibc

/// What waits in memory to be written to disks, as the kernel counts it for the whole machine.
///
/// - Source: proc(5), `/proc/vmstat`.
enum DirtyMemory {
    /// In bytes; nil where the kernel does not say.
    static func bytes() -> Int64? {
        // Where it can not be read nothing is known, and nothing else depends on it.
        guard let file = try? Descriptor(dfs_openat(-1, "/proc/vmstat", O_RDONLY, 0)) else {
            return nil
        }
        var text = [UInt8](repeating: 0, count: 32_768)
        let count = text.withUnsafeMutableBytes { bytes in
            dfs_read(file.number, bytes.baseAddress, bytes.count, 0)
        }
        guard count > 0 else { return nil }
        return pages(in: text[..<count]).map { $0 * Int64(sysconf(Int32(_SC_PAGESIZE))) }
    }

    /// Adds up what is to be written and what is being written; nil where either is missing.
    static func pages(in text: ArraySlice<UInt8>) -> Int64? {
        let lines = text.split(separator: 0x0A)
        var sum: Int64 = 0
        for name in ["nr_dirty", "nr_writeback"] {
            let line = lines.first { line in
                line.starts(with: name.utf8) && line.dropFirst(name.utf8.count).first == 0x20
            }
            // Far fewer pages than bytes fit into a number.
            guard let digits = line?.dropFirst(name.utf8.count + 1),
                let pages = Int32(String(decoding: digits, as: UTF8.self)), pages >= 0
            else { return nil }
            sum += Int64(pages)
        }
        return sum
    }
}
