import DFSProtocol
import Glibc

/// Where on this machine something goes that the person gave a path for, or none.
struct LocalPlace {
    /// The directory, as a path of the person.
    let parent: [UInt8]
    /// The name in it; empty where a directory of the tree has none.
    let name: [UInt8]
    /// Whether a directory was meant that is not there.
    let endsInSlash: Bool

    /// Finds the place.
    ///
    /// A symbolic link that the person names is followed: what it leads to is replaced, and the
    /// link stays. One that stands under the name of a file which comes into a directory may be
    /// somebody else's trap; it is replaced itself.
    /// - Parameter name: What it is called in the tree.
    /// - Throws: `ShellFailure` for a device or FIFO; `LocalFailure`.
    init(target: [UInt8]?, name: [UInt8], _ disk: LocalDisk) async throws {
        guard let target, !target.isEmpty else {
            (parent, self.name, endsInSlash) = ([0x2E], name, false)
            return
        }
        let kind = try await disk.kind(of: target)
        if kind == .directory, !name.isEmpty {
            (parent, self.name, endsInSlash) = (target, name, false)
            return
        }
        if kind == .special { throw LocalPlace.refusal(of: target) }
        endsInSlash = target.last == TreePath.slash && kind == nil
        var trimmed = target
        while trimmed.count > 1, trimmed.last == TreePath.slash { trimmed.removeLast() }
        if !endsInSlash { trimmed = try await disk.behindLinks(trimmed) }
        let (directory, last) = LocalPlace.cut(trimmed)
        if last.isEmpty || last == [0x2E] || last == [0x2E, 0x2E] {
            // The top of the tree into a directory that is named by a dot.
            (parent, self.name) = (trimmed, [0x2E])
        } else {
            (parent, self.name) = (directory, last)
        }
    }

    /// A path's directory and the name in it.
    static func cut(_ path: [UInt8]) -> (directory: [UInt8], name: [UInt8]) {
        guard let slash = path.lastIndex(of: TreePath.slash) else { return ([0x2E], path) }
        return (slash == 0 ? [TreePath.slash] : Array(path[..<slash]), Array(path[(slash + 1)...]))
    }

    /// That a device or FIFO would be replaced.
    static func refusal(of path: [UInt8]) -> ShellFailure {
        let shown = Word.typed(path)
        return ShellFailure(
            .failed, "local \(shown): not a regular file; \"get PATH - > \(shown)\" writes into it")
    }

    /// The whole, for messages.
    var shown: String { Word.typed(LocalName.join(parent, name)) }
}

extension LocalDisk {
    /// What the symbolic links at the end of a path lead to; it need not be there.
    ///
    /// - Throws: `ShellFailure` with `denied` for a link that somebody else has put into a
    ///   directory where everybody may, such as /tmp: it may be a trap, and the system follows none
    ///   either.
    func behindLinks(_ path: [UInt8]) throws -> [UInt8] {
        var path = path
        // As many as the system follows; a circle of them has been refused before.
        for _ in 0..<40 {
            var text = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = LocalName.withPath(path) { readlink($0, &text, text.count) }
            // It is no link, or nothing is there.
            guard count > 0 else { break }
            guard LocalDisk.isTrusted(link: path) else {
                throw ShellFailure(
                    .denied,
                    "local \(Word.typed(path)): is somebody else's symbolic link in a directory "
                        + "where everybody may put one; it is not followed")
            }
            let link = text[..<count].map { UInt8(bitPattern: $0) }
            path =
                link.first == TreePath.slash
                ? link : LocalName.join(LocalPlace.cut(path).directory, link)
        }
        return path
    }
    /// As the kernel's protected_symlinks has it, which does not look at a rename.
    private static func isTrusted(link path: [UInt8]) -> Bool {
        var (own, above) = (stat(), stat())
        let directory = LocalPlace.cut(path).directory
        guard
            LocalName.withPath(path, { fstatat(AT_FDCWD, $0, &own, AT_SYMLINK_NOFOLLOW) }) == 0,
            LocalName.withPath(directory, { fstatat(AT_FDCWD, $0, &above, 0) }) == 0
        else { return false }
        return isTrusted(owner: own.st_uid, directory: above)
    }

    /// Whether a link's owner is one whom the person, or the directory, trusts.
    static func isTrusted(owner: uid_t, directory: stat) -> Bool {
        let isShared = directory.st_mode & S_ISVTX != 0 && directory.st_mode & S_IWOTH != 0
        return !isShared || owner == geteuid() || owner == directory.st_uid
    }
}
