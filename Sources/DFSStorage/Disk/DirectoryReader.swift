import CPosix
import DFSProtocol

/// Reads the names of a directory, without `.` and `..`, in the order in which the disk has them.
enum DirectoryReader {
    /// Every name.
    ///
    /// - Parameter directory: Open for reading; read from its start, whatever was read before.
    static func names(of directory: Descriptor) throws(SystemError) -> [[UInt8]] {
        var names: [[UInt8]] = []
        try visit(directory) { names.append(Array($0)) }
        return names
    }

    /// Hands over every name, one by one.
    ///
    /// - Parameter directory: Open for reading; read from its start, whatever was read before.
    static func visit(
        _ directory: Descriptor, _ visit: (ArraySlice<UInt8>) -> Void
    ) throws(SystemError) {
        // A descriptor of its own has a position of its own: two listings do not disturb each
        // other.
        let own = try Descriptor(dfs_openat(directory.number, ".", O_RDONLY | dfs_o_directory, 0))
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = buffer.withUnsafeMutableBytes { bytes in
                dfs_entries(own.number, bytes.baseAddress, bytes.count)
            }
            guard count >= 0 else { throw SystemError(Int32(clamping: -count)) }
            if count == 0 { return }
            read(buffer[..<count], visit)
        }
    }

    /// Reads `struct linux_dirent64`: inode 8, offset 8, length 2, type 1, then the name and a NUL.
    private static func read(
        _ buffer: ArraySlice<UInt8>, _ visit: (ArraySlice<UInt8>) -> Void
    ) {
        var start = 0
        while start + 19 < buffer.endIndex {
            let length = Int(buffer[start + 16]) | Int(buffer[start + 17]) << 8
            let end = start + length
            guard length > 19, end <= buffer.endIndex else { return }
            let name = buffer[(start + 19)..<end].prefix { $0 != 0 }
            if !name.elementsEqual([0x2E]), !name.elementsEqual([0x2E, 0x2E]) {
                visit(name)
            }
            start = end
        }
    }
}
