import DFSClient
import DFSProtocol
import Dispatch
import Glibc

/// An open directory on this machine; what is done in it can not be led elsewhere by a link.
final class LocalDirectory: Sendable {
    let descriptor: Int32
    /// As the person named it, or below that; for messages only.
    let path: [UInt8]
    /// The file system that it is on.
    let device: dev_t

    init(descriptor: Int32, path: [UInt8]) {
        self.descriptor = descriptor
        self.path = path
        var status = stat()
        // What can not be looked at can not be written in either.
        device = fstat(descriptor, &status) == 0 ? status.st_dev : 0
    }

    deinit { Glibc.close(descriptor) }
}

/// A file on this machine that is being written under a temporary name.
final class LocalFile: Sendable {
    let descriptor: Int32
    let directory: LocalDirectory
    let temporaryName: [UInt8]

    init(descriptor: Int32, directory: LocalDirectory, temporaryName: [UInt8]) {
        self.descriptor = descriptor
        self.directory = directory
        self.temporaryName = temporaryName
    }

    /// Has the system tell what a disk across a network, or one with a quota, refuses at the close.
    ///
    /// The file stays open, and locked under its temporary name until it has its own.
    /// - Returns: 0 or an errno.
    func flushByClosing() -> Int32 {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { return errno }
        // Linux has closed it whatever it says, also after a signal.
        return Glibc.close(copy) == 0 || errno == EINTR ? 0 : errno
    }

    deinit { Glibc.close(descriptor) }
}

/// A local file that is being read.
final class LocalSource: Sendable {
    let descriptor: Int32
    let path: [UInt8]
    let size: Int64
    let mode: FileMode
    let modified: WallTime

    init(descriptor: Int32, path: [UInt8], _ status: stat) {
        self.descriptor = descriptor
        self.path = path
        size = Int64(status.st_size)
        mode = FileMode(bits: status.st_mode)
        modified = WallTime(status.st_mtim)
    }

    deinit { Glibc.close(descriptor) }
}

/// What a received file is to look like.
struct LocalAttributes: Sendable {
    /// Permission bits; nil for those of a new file.
    var mode: FileMode?
    /// Whether `mode` is taken as it is; else only that it can be executed.
    var keepsAll = false
    /// Time of the last change; nil for now.
    var modified: WallTime?
}

/// Runs an actor on a queue of its own, away from Swift's pool.
private final class DiskQueue: SerialExecutor {
    private let queue = DispatchQueue(label: "dfsh.local-disk")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}

/// The local disk, on a thread of its own: a slow one delays no connection.
///
/// Names given to it are single components below directories that are open, and links among them
/// are not followed; only the first path is the person's own.
actor LocalDisk {
    private let queue = DiskQueue()
    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }
    private let mask: mode_t
    private var unsettled = UnsettledNames()

    init() {
        // The mask can only be read by setting it; nothing else of this process makes files yet.
        mask = umask(0)
        umask(mask)
    }

    /// Opens a directory that the person named; links on the way there are the person's own.
    func open(directory path: [UInt8]) throws -> LocalDirectory {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        let descriptor = LocalName.withPath(path) { Glibc.open($0, flags) }
        guard descriptor >= 0 else { throw LocalFailure(path: path, number: errno) }
        return LocalDirectory(descriptor: descriptor, path: path)
    }

    /// Opens a directory below another one, and makes it where it is missing.
    func directory(
        _ name: [UInt8], in parent: LocalDirectory, makes: Bool
    ) throws -> LocalDirectory {
        let path = LocalName.join(parent.path, name)
        if makes {
            let made = LocalName.withPath(name) { mkdirat(parent.descriptor, $0, 0o777) }
            guard made == 0 || errno == EEXIST else {
                throw LocalFailure(path: path, number: errno)
            }
            if made == 0 { unsettled.addDirectory(in: parent) }
        }
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let descriptor = LocalName.withPath(name) { openat(parent.descriptor, $0, flags) }
        guard descriptor >= 0 else { throw LocalFailure(path: path, number: errno) }
        return LocalDirectory(descriptor: descriptor, path: path)
    }

    /// What a path of the person leads to; nil where nothing is there.
    func kind(of path: [UInt8]) throws -> LocalName.Entry.Kind? {
        var status = stat()
        guard LocalName.withPath(path, { fstatat(AT_FDCWD, $0, &status, 0) }) == 0 else {
            if errno == ENOENT { return nil }
            guard errno != ELOOP else {
                let subject = "local \(Word.typed(path))"
                throw ShellFailure(.failed, LocalFailure.sentence(subject, ELOOP))
            }
            throw LocalFailure(path: path, number: errno)
        }
        return LocalDisk.kind(status.st_mode)
    }

    static func kind(_ mode: mode_t) -> LocalName.Entry.Kind {
        switch mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .directory
        case S_IFLNK: .symbolicLink
        default: .special
        }
    }

    /// The entries of a directory in bytewise order, links not followed.
    func list(_ directory: LocalDirectory) throws -> [LocalName.Entry] {
        // readdir moves the descriptor's position, so a new one is opened for it.
        let copy = openat(directory.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else {
            let number = errno
            if copy >= 0 { Glibc.close(copy) }
            throw LocalFailure(path: directory.path, number: number)
        }
        defer { closedir(stream) }
        var entries: [LocalName.Entry] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = LocalName.bytes(of: entry)
            if name == [0x2E] || name == [0x2E, 0x2E] { continue }
            var status = stat()
            let known = LocalName.withPath(name) {
                fstatat(directory.descriptor, $0, &status, AT_SYMLINK_NOFOLLOW)
            }
            // An entry that went away meanwhile is not there; every other one is, seen or not.
            if known == 0 {
                entries.append(LocalName.Entry(name, status))
            } else if errno != ENOENT {
                entries.append(LocalName.Entry(name, unreadable: errno))
            }
            errno = 0
        }
        guard errno == 0 else { throw LocalFailure(path: directory.path, number: errno) }
        return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }
}

extension LocalDisk {
    /// Adds bytes at the end.
    func append(_ bytes: ByteBuffer, to file: LocalFile) throws {
        try bytes.withUnsafeReadableBytes { raw in
            var done = 0
            while done < raw.count {
                let rest = UnsafeRawBufferPointer(rebasing: raw[done...])
                let count = Glibc.write(file.descriptor, rest.baseAddress, rest.count)
                if count > 0 {
                    done += count
                } else if errno != EINTR {
                    throw LocalFailure(
                        path: LocalName.join(file.directory.path, file.temporaryName),
                        number: errno)
                }
            }
        }
    }

    /// Gives a whole file its name; what had the name before is replaced at once.
    ///
    /// Its bytes are on the disk before: a power cut leaves no empty file under the name.
    func finish(_ file: LocalFile, as name: [UInt8], _ attributes: LocalAttributes) throws {
        try finish(file, as: name, attributes, isFlushed: false)
    }

    private func finish(
        _ file: LocalFile, as name: [UInt8], _ attributes: LocalAttributes, isFlushed: Bool
    ) throws {
        let path = LocalName.join(file.directory.path, name)
        var mode = mode_t(0o666) & ~mask
        if let remote = attributes.mode {
            if attributes.keepsAll {
                mode = mode_t(remote.bits)
            } else if remote.bits & 0o100 != 0 {
                mode = 0o777 & ~mask
            }
        }
        guard fchmod(file.descriptor, mode) == 0 else {
            throw LocalFailure(path: path, number: errno)
        }
        if let modified = attributes.modified {
            guard futimens(file.descriptor, [modified.timespec, modified.timespec]) == 0 else {
                throw LocalFailure(path: path, number: errno)
            }
        }
        if !isFlushed { try UnsettledNames.flush(file.descriptor, path, fdatasync) }
        // Only what is whole gets its name; a disk across a network may refuse it only here.
        let refused = file.flushByClosing()
        guard refused == 0 else { throw LocalFailure(path: path, number: refused) }
        let directory = file.directory.descriptor
        let renamed = LocalName.withPath(file.temporaryName) { from in
            LocalName.withPath(name) { renameat(directory, from, directory, $0) }
        }
        guard renamed == 0 else { throw LocalFailure(path: path, number: errno) }
        unsettled.add(file.directory)
    }

    /// Brings to the disk what was given its name since the last time, directories too.
    ///
    /// Until then a power cut may leave small files empty, where there were many of them.
    func settle() throws {
        let names = unsettled
        unsettled = UnsettledNames()
        try names.settle()
    }

    /// Removes a file that did not come whole.
    func discard(_ file: LocalFile) {
        // One that is gone already needs no removal.
        _ = LocalName.withPath(file.temporaryName) { unlinkat(file.directory.descriptor, $0, 0) }
    }

    /// Writes a small file and gives it its name, in one visit.
    func place(
        _ bytes: ByteBuffer, as name: [UInt8], in directory: LocalDirectory,
        _ attributes: LocalAttributes
    ) throws {
        let file = try createTemporary(for: name, in: directory)
        do {
            try append(bytes, to: file)
            try finish(file, as: name, attributes, isFlushed: unsettled.areMany)
        } catch {
            discard(file)
            throw error
        }
    }
}

extension LocalDisk {
    /// Opens a regular file for reading.
    ///
    /// - Parameter directory: Where the name stands; nil where it is a path that the person gave.
    func source(_ name: [UInt8], in directory: LocalDirectory?) throws -> LocalSource {
        let path = directory.map { LocalName.join($0.path, name) } ?? name
        // Without O_NONBLOCK a FIFO would wait for a writer.
        var flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC
        if directory != nil { flags |= O_NOFOLLOW }
        let descriptor = LocalName.withPath(name) {
            openat(directory?.descriptor ?? AT_FDCWD, $0, flags)
        }
        guard descriptor >= 0 else { throw LocalFailure(path: path, number: errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let number = errno
            Glibc.close(descriptor)
            throw LocalFailure(path: path, number: number)
        }
        let source = LocalSource(descriptor: descriptor, path: path, status)
        switch LocalDisk.kind(status.st_mode) {
        case .file: return source
        case .directory: throw LocalFailure(path: path, number: EISDIR)
        default: throw ShellFailure(.failed, "local \(Word.typed(path)): not a regular file")
        }
    }

    /// Reads the next bytes of a file; nil at its end.
    func read(_ source: LocalSource, count: Int) throws -> ByteBuffer? {
        var bytes = ByteBuffer()
        try bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { raw in
            while true {
                let got = Glibc.read(source.descriptor, raw.baseAddress, count)
                if got >= 0 { return got }
                if errno != EINTR { throw LocalFailure(path: source.path, number: errno) }
            }
        }
        return bytes.readableBytes == 0 ? nil : bytes
    }
}
