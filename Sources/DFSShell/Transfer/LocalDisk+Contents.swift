import DFSClient
import DFSProtocol
import Glibc

/// What stands on this machine, looked at without following links.
extension LocalDisk {
    /// One thing in a local directory, as a mirror compares it.
    struct Found: Sendable {
        let name: [UInt8]
        let kind: LocalName.Entry.Kind
        let size: Int64
        let modified: WallTime
    }

    /// The entries of a directory with their sizes and times, in bytewise order.
    func look(into directory: LocalDirectory) throws -> [Found] {
        try list(directory).compactMap { entry in
            var status = stat()
            let isThere = LocalName.withPath(entry.name) {
                fstatat(directory.descriptor, $0, &status, AT_SYMLINK_NOFOLLOW)
            }
            guard isThere == 0 else {
                // An entry that went away meanwhile is not there.
                if errno == ENOENT { return nil }
                return Found(
                    name: entry.name, kind: .unreadable(errno), size: 0,
                    modified: WallTime(seconds: 0))
            }
            return Found(
                name: entry.name, kind: LocalDisk.kind(status.st_mode), size: Int64(status.st_size),
                modified: WallTime(
                    seconds: Int64(status.st_mtim.tv_sec),
                    nanoseconds: Int32(status.st_mtim.tv_nsec)))
        }
    }

    /// Gives a file that is there the permissions and the time that one of the tree has.
    func adopt(
        _ attributes: LocalAttributes, _ name: [UInt8], in directory: LocalDirectory
    ) throws {
        let source = try source(name, in: directory)
        if let mode = attributes.mode, fchmod(source.descriptor, mode_t(mode.bits)) != 0 {
            throw LocalFailure(path: source.path, number: errno)
        }
        guard let modified = attributes.modified else { return }
        let time = timespec(tv_sec: Int(modified.seconds), tv_nsec: Int(modified.nanoseconds))
        guard futimens(source.descriptor, [time, time]) == 0 else {
            throw LocalFailure(path: source.path, number: errno)
        }
    }

    /// Removes a file, a link or an empty directory; one that is gone is fine.
    func remove(_ name: [UInt8], in directory: LocalDirectory, isDirectory: Bool) throws {
        let removed = LocalName.withPath(name) {
            unlinkat(directory.descriptor, $0, isDirectory ? AT_REMOVEDIR : 0)
        }
        guard removed != 0, errno != ENOENT else { return }
        throw LocalFailure(path: LocalName.join(directory.path, name), number: errno)
    }

    /// Reads bytes of a file at an offset.
    ///
    /// - Returns: Fewer than were asked for only at its end.
    func read(_ source: LocalSource, at offset: Int64, count: Int) throws -> ByteBuffer {
        try LocalDisk.read(source.descriptor, source.path, at: offset, count: count)
    }

    /// Reads what a file that is being written has at an offset.
    func read(_ file: LocalFile, at offset: Int64, count: Int) throws -> ByteBuffer {
        let path = LocalName.join(file.directory.path, file.temporaryName)
        return try LocalDisk.read(file.descriptor, path, at: offset, count: count)
    }

    private static func read(
        _ descriptor: Int32, _ path: [UInt8], at offset: Int64, count: Int
    ) throws -> ByteBuffer {
        var bytes = ByteBuffer()
        while bytes.readableBytes < count {
            let already = bytes.readableBytes
            let place = Int(offset) + already
            let got = try bytes.writeWithUnsafeMutableBytes(
                minimumWritableBytes: count - already
            ) { raw in
                while true {
                    let room = min(raw.count, count - already)
                    let got = pread(descriptor, raw.baseAddress, room, place)
                    if got >= 0 { return got }
                    if errno != EINTR { throw LocalFailure(path: path, number: errno) }
                }
            }
            if got == 0 { break }
        }
        return bytes
    }

    /// Has a file that is being written end after so many bytes; what comes next is added there.
    func cut(_ file: LocalFile, to size: Int64) throws {
        guard ftruncate(file.descriptor, Int(size)) == 0,
            lseek(file.descriptor, Int(size), SEEK_SET) == Int(size)
        else {
            throw LocalFailure(
                path: LocalName.join(file.directory.path, file.temporaryName), number: errno)
        }
    }

    /// The names that a word with `*`, `?` or `[...]` fits on this machine, in order.
    ///
    /// As every shell has it, a leading dot is matched by a leading dot only.
    func expand(_ word: Word) throws -> [[UInt8]] {
        let pattern = word.pattern
        let isAbsolute = pattern.first == TreePath.slash
        var found: [[UInt8]] = [isAbsolute ? [TreePath.slash] : []]
        for part in pattern.split(separator: TreePath.slash).map(Array.init) {
            found = found.flatMap { place in names(in: place, like: part) }
        }
        return found
    }

    private func names(in place: [UInt8], like part: [UInt8]) -> [[UInt8]] {
        if part == [0x2E] || part == [0x2E, 0x2E] { return [LocalName.join(place, part)] }
        let glob = Glob(part)
        // A pattern goes through what is a directory, and past everything else.
        guard let directory = try? open(directory: place.isEmpty ? [0x2E] : place),
            let entries = try? list(directory)
        else { return [] }
        return entries.filter { entry in
            (entry.name.first != UInt8(ascii: ".") || part.first == UInt8(ascii: "."))
                && glob.matches(entry.name)
        }.map { LocalName.join(place, $0.name) }
    }
}
