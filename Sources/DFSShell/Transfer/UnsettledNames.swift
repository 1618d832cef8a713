import CEditLine
import Glibc

/// Where files were given their names that a power cut could still take.
///
/// A few files are flushed one by one, before they get their names. Many small ones would each wait
/// for the disk (10,000 of them for half a minute): they are flushed together at the end, by one
/// call for each file system that has some, before the command says that it is done.
struct UnsettledNames: Sendable {
    /// So many small files are flushed one by one.
    private static let most = 16

    private var count = 0
    /// Directories of the first names, and those that got directories.
    private var directories: [LocalDirectory] = []
    /// The first directory on each file system: what was lost since it was opened is told by it.
    private var fileSystems: [(device: dev_t, directory: LocalDirectory)] = []

    /// Whether the next small file is flushed with all the others.
    var areMany: Bool { count >= UnsettledNames.most }

    /// How many directories stay open for what is noted of them.
    var openDirectories: Int { directories.count + fileSystems.count }

    /// Notes that a file was given its name in a directory.
    mutating func add(_ directory: LocalDirectory) {
        count += 1
        note(directory)
    }

    /// Notes that a directory was made in another one; it is no file that is flushed.
    mutating func addDirectory(in parent: LocalDirectory) { note(parent) }

    private mutating func note(_ directory: LocalDirectory) {
        if !fileSystems.contains(where: { $0.device == directory.device }) {
            fileSystems.append((directory.device, directory))
        }
        guard !areTogether, directories.last !== directory else { return }
        directories.append(directory)
    }

    /// Whether whole file systems are flushed: each directory that is noted is one that stays open.
    private var areTogether: Bool {
        count > UnsettledNames.most || directories.count > UnsettledNames.most
    }

    /// Brings the names to the disk, and the bytes of what was not flushed.
    ///
    /// - Throws: `LocalFailure` for what a disk could not keep.
    func settle() throws {
        if areTogether {
            for (_, directory) in fileSystems {
                try UnsettledNames.flush(
                    directory.descriptor, directory.path, dfs_sync_file_system)
            }
            return
        }
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
