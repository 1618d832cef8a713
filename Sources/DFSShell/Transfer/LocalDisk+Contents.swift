import DFSClient
import DFSProtocol
import Glibc

/// What stands on this machine, looked at without following links.
extension LocalDisk {
    /// How many bytes the files below a directory have; nil where that can not be told.
    func bytes(below top: LocalDirectory) -> Int64? {
        var total: Int64 = 0
        var waiting = [top]
        while let directory = waiting.popLast() {
            // What can not be read now is told by the transfer.
            for entry in (try? list(directory)) ?? [] {
                if Task.isCancelled { return nil }
                switch entry.kind {
                case .file:
                    let (sum, isTooMuch) = total.addingReportingOverflow(entry.size)
                    if isTooMuch { return nil }
                    total = sum
                case .directory:
                    // The same.
                    if let next = try? self.directory(entry.name, in: directory, makes: false) {
                        waiting.append(next)
                    }
                case .symbolicLink, .special, .unreadable: continue
                }
            }
        }
        return total
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
        guard futimens(source.descriptor, [modified.timespec, modified.timespec]) == 0 else {
            throw LocalFailure(path: source.path, number: errno)
        }
    }

    /// Opens a directory that stands below another one, however deep; links are not followed.
    func directory(below top: LocalDirectory, _ path: [UInt8]) throws -> LocalDirectory {
        var place = top
        for name in path.split(separator: TreePath.slash) {
            place = try directory(Array(name), in: place, makes: false)
        }
        return place
    }

    /// The permissions and the time of a directory.
    func attributes(of directory: LocalDirectory) throws -> LocalAttributes {
        var status = stat()
        guard fstat(directory.descriptor, &status) == 0 else {
            throw LocalFailure(path: directory.path, number: errno)
        }
        return LocalAttributes(
            mode: FileMode(bits: status.st_mode), keepsAll: true,
            modified: WallTime(status.st_mtim))
    }

    /// Gives a directory the permissions and the time that one of the tree has.
    func adopt(_ attributes: LocalAttributes, _ directory: LocalDirectory) throws {
        if let mode = attributes.mode, fchmod(directory.descriptor, mode_t(mode.bits)) != 0 {
            throw LocalFailure(path: directory.path, number: errno)
        }
        guard let modified = attributes.modified else { return }
        guard futimens(directory.descriptor, [modified.timespec, modified.timespec]) == 0 else {
            throw LocalFailure(path: directory.path, number: errno)
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

    /// Opens a file, and reads it in the same visit where it has no more than so many bytes.
    ///
    /// - Returns: No content where there is more, whatever size the system tells.
    func source(
        _ name: [UInt8], in directory: LocalDirectory?, withUpTo limit: Int
    ) throws -> (source: LocalSource, content: ByteBuffer?) {
        let source = try source(name, in: directory)
        guard source.size <= limit else { return (source, nil) }
        let room = max(4096, Int(source.size) + 1)
        let content = try read(source, at: 0, count: room)
        return (source, content.readableBytes < room ? content : nil)
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
