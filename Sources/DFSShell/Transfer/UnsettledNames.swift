import Glibc

/// Where files were given their names that a power cut could still take.
///
/// A few files are flushed one by one, before they get their names. Many small ones would each wait
/// for the disk (10,000 of them for half a minute): they are flushed together at the end, by one
/// call, before the command says that it is done.
struct UnsettledNames: Sendable {
    /// So many small files are flushed one by one.
    private static let most = 16

    private var count = 0
    /// Directories of the first names.
    private var directories: [LocalDirectory] = []

    /// Whether the next small file is flushed with all the others.
    var areMany: Bool { count >= UnsettledNames.most }

    /// Notes that a file was given its name in a directory.
    mutating func add(_ directory: LocalDirectory) {
        count += 1
        guard count <= UnsettledNames.most, directories.last !== directory else { return }
        directories.append(directory)
    }

    /// Brings the names to the disk, and the bytes of what was not flushed.
    func settle() throws {
        if count > UnsettledNames.most { return sync() }
        for directory in directories {
            try UnsettledNames.flush(directory.descriptor, directory.path, fsync)
        }
    }

    /// Runs one of the calls that bring something to the disk.
    static func flush(
        _ descriptor: Int32, _ path: [UInt8], _ call: (Int32) -> Int32
    ) throws {
        // EINVAL and EROFS: a file system that has nothing to bring anywhere.
        guard call(descriptor) != 0, errno != EINVAL, errno != EROFS else { return }
        throw LocalFailure(path: path, number: errno)
    }
}
