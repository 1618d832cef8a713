import DFSProtocol
import Glibc

/// Files that are being received stand under temporary names until they are whole.
///
/// A name begins as no name of the tree does, and is held by a lock that ends with its process:
/// nobody takes or removes what another run is writing, and what a killed run left is used again by
/// the next one that brings the same file.
extension LocalDisk {
    /// How many transfers of one name into one directory have temporary names that come again.
    private static let namedTemporaries = 8

    /// Starts a file under a temporary name.
    ///
    /// - Parameter name: What the file is to be called in the end. A device or FIFO of that name is
    ///   refused: a file would take its place.
    func createTemporary(for name: [UInt8], in directory: LocalDirectory) throws -> LocalFile {
        try LocalDisk.refuseSpecial(name, in: directory)
        for number in 0..<LocalDisk.namedTemporaries {
            let temporary = LocalDisk.temporaryName("\(number)", name)
            if let file = try LocalDisk.create(temporary, in: directory) {
                // Another run may have taken it for a left-over before it was locked.
                if LocalDisk.holdsName(file) { return file }
            } else if let file = LocalDisk.takeLeftOver(temporary, in: directory) {
                return file
            }
        }
        // Many at once, or files of others under those names.
        while true {
            let number = String(UInt64.random(in: .min ... .max), radix: 36)
            let temporary = LocalDisk.temporaryName(number, name)
            if let file = try LocalDisk.create(temporary, in: directory) { return file }
        }
    }

    /// What a run that was cut short left of a file of this name, locked now; nil for nothing.
    ///
    /// Of several the first is taken that has any bytes and that nobody is writing.
    func leftOver(for name: [UInt8], in directory: LocalDirectory) throws -> LocalFile? {
        try LocalDisk.refuseSpecial(name, in: directory)
        for number in 0..<LocalDisk.namedTemporaries {
            let temporary = LocalDisk.temporaryName("\(number)", name)
            let file = LocalDisk.takeLeftOver(temporary, in: directory, isEmptied: false)
            if let file { return file }
        }
        return nil
    }

    /// What has a name, opened for reading; nil where that is no regular file.
    func present(_ name: [UInt8], in directory: LocalDirectory) throws -> LocalSource? {
        do {
            return try source(name, in: directory)
        } catch let failure as LocalFailure where failure.number == ENOENT {
            return nil
        } catch let failure as LocalFailure where failure.number == ELOOP {
            // A link that has the file's name is replaced, and not looked behind.
            return nil
        }
    }

    private static func refuseSpecial(_ name: [UInt8], in directory: LocalDirectory) throws {
        var status = stat()
        let found = LocalName.withPath(name) {
            fstatat(directory.descriptor, $0, &status, AT_SYMLINK_NOFOLLOW)
        }
        // What can not be looked at is told by what comes next.
        guard found == 0, kind(status.st_mode) == .special else { return }
        throw LocalPlace.refusal(of: LocalName.join(directory.path, name))
    }

    /// Whether a name is one under which something is, or was, being received.
    static func isTemporary(_ name: [UInt8]) -> Bool { name.starts(with: temporaryMark) }

    private static let temporaryMark = [UInt8](".dfsh-part-".utf8)

    private static func temporaryName(_ number: String, _ name: [UInt8]) -> [UInt8] {
        Array((temporaryMark + [UInt8]("\(number)-".utf8) + name).prefix(255))
    }

    /// Makes a file; nil where the name is there already.
    private static func create(
        _ name: [UInt8], in directory: LocalDirectory
    ) throws -> LocalFile? {
        let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let descriptor = LocalName.withPath(name) {
            openat(directory.descriptor, $0, flags, 0o600)
        }
        guard descriptor >= 0 else {
            if errno == EEXIST { return nil }
            throw LocalFailure(path: directory.path, number: errno)
        }
        let file = LocalFile(descriptor: descriptor, directory: directory, temporaryName: name)
        // Another run has taken it for a left-over in this moment: it is that one's.
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK { return nil }
        // A file system without locks has no left-over taken, and nothing else is lost.
        return file
    }

    /// Takes what a killed run left; nil where another run is writing it, or it is none of ours.
    ///
    /// - Parameter isEmptied: Whether what it has is of no use; else it must have something.
    private static func takeLeftOver(
        _ name: [UInt8], in directory: LocalDirectory, isEmptied: Bool = true
    ) -> LocalFile? {
        // Without O_NONBLOCK a FIFO would wait for a reader.
        let flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
        let descriptor = LocalName.withPath(name) { openat(directory.descriptor, $0, flags) }
        if descriptor < 0 { return nil }
        let file = LocalFile(descriptor: descriptor, directory: directory, temporaryName: name)
        var status = stat()
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &status) == 0,
            status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(), status.st_nlink == 1,
            holdsName(file), fchmod(descriptor, 0o600) == 0
        else { return nil }
        guard isEmptied ? ftruncate(descriptor, 0) == 0 : status.st_size > 0 else { return nil }
        return file
    }

    /// Whether the temporary name still leads to the file that is open and locked.
    ///
    /// It does not where another run finished it between the opening and the lock.
    private static func holdsName(_ file: LocalFile) -> Bool {
        var (opened, named) = (stat(), stat())
        let isThere = LocalName.withPath(file.temporaryName) {
            fstatat(file.directory.descriptor, $0, &named, AT_SYMLINK_NOFOLLOW)
        }
        return fstat(file.descriptor, &opened) == 0 && isThere == 0
            && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev
    }
}
