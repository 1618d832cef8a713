import DFSClient
import DFSProtocol
import Glibc
import Testing

@testable import DFSShell

/// What `get` does on this machine: only under the name that the person gave, and only whole files.
@Suite struct LocalDiskTests {
    private let disk = LocalDisk()
    private static let name = [UInt8]("f".utf8)

    /// Runs a body with a directory of its own, which is removed afterwards.
    private func withFolder<Result>(
        _ body: (_ path: String, _ folder: LocalDirectory) async throws -> Result
    ) async throws -> Result {
        var template = Array("/tmp/dfsh-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { removeAll(path) }
        return try await body(path, try await disk.open(directory: [UInt8](path.utf8)))
    }

    private func removeAll(_ path: String) {
        if let stream = opendir(path) {
            while let entry = readdir(stream) {
                let name = String(decoding: LocalName.bytes(of: entry), as: UTF8.self)
                if name == "." || name == ".." { continue }
                if entry.pointee.d_type == UInt8(DT_DIR) {
                    removeAll("\(path)/\(name)")
                } else {
                    unlink("\(path)/\(name)")
                }
            }
            closedir(stream)
        }
        rmdir(path)
    }

    private func content(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    private func names(_ folder: LocalDirectory) async throws -> [String] {
        try await disk.list(folder).map { String(decoding: $0.name, as: UTF8.self) }
    }

    @Test func `a file has its name only once it is whole`() async throws {
        try await withFolder { path, folder in
            let file = try await disk.createTemporary(for: Self.name, in: folder)
            try await disk.append(ByteBuffer(string: "half"), to: file)
            let before = try await names(folder)
            try await disk.append(ByteBuffer(string: " and half"), to: file)
            try await disk.finish(file, as: [UInt8]("f".utf8), LocalAttributes())

            #expect(before == [".dfsh-part-0-f"])
            #expect(try await names(folder) == ["f"])
            #expect(content("\(path)/f") == "half and half")
        }
    }

    @Test func `few files and many are all there once they are settled`() async throws {
        try await withFolder { path, folder in
            for number in 0..<40 {
                try await disk.place(
                    ByteBuffer(string: "\(number)"), as: [UInt8]("f\(number)".utf8), in: folder,
                    LocalAttributes())
            }
            try await disk.settle()

            #expect(try await names(folder).count == 40)
            #expect(content("\(path)/f39") == "39")
        }
    }

    @Test func `few files are flushed one by one, and many together`() throws {
        let folder = LocalDirectory(descriptor: -1, path: [UInt8]("/gone".utf8))
        var names = UnsettledNames()

        for _ in 0..<15 { names.add(folder) }
        #expect(!names.areMany)
        // What the disk refuses is told, and not taken for done.
        #expect(throws: LocalFailure.self) { try names.settle() }
        for _ in 0..<2 { names.add(folder) }
        #expect(names.areMany)
        #expect(throws: LocalFailure(path: folder.path, number: EBADF)) { try names.settle() }
        #expect(throws: LocalFailure.self) {
            try UnsettledNames.flush(-1, folder.path) { _ in
                errno = ENOSPC
                return -1
            }
        }
        try UnsettledNames.flush(-1, folder.path) { _ in
            errno = EINVAL
            return -1
        }
    }

    @Test func `a directory that was made is brought to the disk with the one it is in`()
        async throws
    {
        try await withFolder { path, _ in
            // O_PATH, which can be used and not flushed: what is asked of the disk is told.
            let pathOnly: Int32 = 0o10_000_000
            let descriptor = Glibc.open(path, pathOnly | O_DIRECTORY | O_CLOEXEC)
            let parent = LocalDirectory(descriptor: descriptor, path: [UInt8](path.utf8))

            _ = try await disk.directory(Self.name, in: parent, makes: true)
            await #expect(throws: LocalFailure(path: parent.path, number: EBADF)) {
                try await disk.settle()
            }
            // It is there by now.
            _ = try await disk.directory(Self.name, in: parent, makes: true)
            try await disk.settle()
        }
    }

    @Test func `made directories count as no files, and many of them are flushed together`() throws
    {
        let folders = (0..<40).map {
            LocalDirectory(descriptor: -1, path: [UInt8]("/gone/\($0)".utf8))
        }
        var names = UnsettledNames()

        names.addDirectory(in: folders[1])
        names.addDirectory(in: folders[0])
        #expect(throws: LocalFailure(path: folders[1].path, number: EBADF)) { try names.settle() }
        for folder in folders { names.addDirectory(in: folder) }

        #expect(!names.areMany)
        #expect(names.openDirectories == 18)
        #expect(throws: LocalFailure(path: folders[1].path, number: EBADF)) { try names.settle() }
    }

    @Test func `what did not come whole leaves nothing`() async throws {
        try await withFolder { _, folder in
            let file = try await disk.createTemporary(for: Self.name, in: folder)
            await disk.discard(file)

            #expect(try await names(folder) == [])
        }
    }

    @Test func `a device or a FIFO is not replaced by a file`() async throws {
        try await withFolder { path, folder in
            try #require(mkfifo("\(path)/f", 0o600) == 0)

            await #expect(throws: ShellFailure.self) {
                _ = try await disk.createTemporary(for: Self.name, in: folder)
            }

            #expect(try await names(folder) == ["f"])
        }
    }

    @Test func `what a killed run left is used again by the next one`() async throws {
        try await withFolder { path, folder in
            try #require(writeFile("\(path)/.dfsh-part-0-f", "longer than what comes now"))
            let file = try await disk.createTemporary(for: Self.name, in: folder)
            try await disk.append(ByteBuffer(string: "short"), to: file)
            try await disk.finish(file, as: Self.name, LocalAttributes())

            #expect(try await names(folder) == ["f"])
            #expect(content("\(path)/f") == "short")
        }
    }

    @Test func `two runs that bring the same file have a temporary file each`() async throws {
        try await withFolder { path, folder in
            let one = try await disk.createTemporary(for: Self.name, in: folder)
            let other = try await disk.createTemporary(for: Self.name, in: folder)
            try await disk.append(ByteBuffer(string: "one"), to: one)
            try await disk.append(ByteBuffer(string: "other"), to: other)

            #expect(try await names(folder) == [".dfsh-part-0-f", ".dfsh-part-1-f"])
            await disk.discard(one)
            try await disk.finish(other, as: Self.name, LocalAttributes())
            #expect(try await names(folder) == ["f"])
            #expect(content("\(path)/f") == "other")
        }
    }

    @Test func `a name of others, a link and a FIFO are left alone`() async throws {
        try await withFolder { path, folder in
            try #require(writeFile("\(path)/victim", "untouched"))
            try #require(symlink("victim", "\(path)/.dfsh-part-0-f") == 0)
            try #require(mkfifo("\(path)/.dfsh-part-1-f", 0o600) == 0)
            try #require(link("\(path)/victim", "\(path)/.dfsh-part-2-f") == 0)
            let file = try await disk.createTemporary(for: Self.name, in: folder)

            #expect(file.temporaryName == [UInt8](".dfsh-part-3-f".utf8))
            #expect(content("\(path)/victim") == "untouched")
        }
    }

    @Test func `where every usual name is taken one is made that nobody has`() async throws {
        try await withFolder { path, folder in
            for number in 0..<8 {
                try #require(mkdir("\(path)/.dfsh-part-\(number)-f", 0o700) == 0)
            }
            let file = try await disk.createTemporary(for: Self.name, in: folder)
            let long = [UInt8](repeating: 0x61, count: 255)
            let cut = try await disk.createTemporary(for: long, in: folder)

            #expect(file.temporaryName.starts(with: ".dfsh-part-".utf8))
            #expect(file.temporaryName.count > ".dfsh-part-0-f".utf8.count)
            #expect(cut.temporaryName.count == 255)
        }
    }

    @Test func `a link in the place of a file is replaced and not written through`() async throws {
        try await withFolder { path, folder in
            try #require(writeFile("\(path)/victim", "untouched"))
            try #require(symlink("victim", "\(path)/f") == 0)

            try await disk.place(
                ByteBuffer(string: "new"), as: [UInt8]("f".utf8), in: folder, LocalAttributes())

            #expect(content("\(path)/victim") == "untouched")
            #expect(content("\(path)/f") == "new")
        }
    }

    @Test func `a link that the person names is followed, and what it leads to is replaced`()
        async throws
    {
        try await withFolder { path, _ in
            try #require(writeFile("\(path)/old", "old"))
            try #require(mkdir("\(path)/d", 0o700) == 0)
            try #require(symlink("../old", "\(path)/d/near") == 0)
            try #require(symlink("\(path)/d/near", "\(path)/far") == 0)
            try #require(symlink("none", "\(path)/dangling") == 0)

            let far = try await LocalPlace(
                target: [UInt8]("\(path)/far".utf8), name: Self.name, disk)
            let dangling = try await LocalPlace(
                target: [UInt8]("\(path)/dangling".utf8), name: Self.name, disk)

            #expect(far.parent == [UInt8]("\(path)/d/..".utf8))
            #expect(far.name == [UInt8]("old".utf8))
            #expect(dangling.parent == [UInt8](path.utf8))
            #expect(dangling.name == [UInt8]("none".utf8))
        }
    }

    @Test func `links in a circle and links to a device are refused`() async throws {
        try await withFolder { path, _ in
            try #require(symlink("circle", "\(path)/circle") == 0)
            try #require(symlink("/dev/null", "\(path)/device") == 0)

            for (name, reason) in [
                ("circle", "Too many levels of symbolic links"), ("device", "not a regular file"),
            ] {
                let failure = await #expect(throws: ShellFailure.self) {
                    _ = try await LocalPlace(
                        target: [UInt8]("\(path)/\(name)".utf8), name: Self.name, disk)
                }
                #expect(failure?.sentence.contains(reason) == true)
            }
        }
    }

    @Test func `a link in the place of a directory is refused`() async throws {
        try await withFolder { path, folder in
            try #require(mkdir("\(path)/elsewhere", 0o700) == 0)
            try #require(symlink("elsewhere", "\(path)/d") == 0)

            let failure = await #expect(throws: LocalFailure.self) {
                try await disk.directory([UInt8]("d".utf8), in: folder, makes: true)
            }

            #expect(failure?.number == ELOOP || failure?.number == ENOTDIR)
        }
    }

    @Test func `a directory in the place of a file stays`() async throws {
        try await withFolder { path, folder in
            try #require(mkdir("\(path)/f", 0o700) == 0)

            await #expect(throws: LocalFailure.self) {
                try await disk.place(
                    ByteBuffer(string: "x"), as: [UInt8]("f".utf8), in: folder, LocalAttributes())
            }

            #expect(try await names(folder) == ["f"])
        }
    }

    @Test(arguments: [
        (UInt32(0o755), false, mode_t(0o111)), (0o644, false, 0), (0o600, true, 0o600),
        (0o751, true, 0o751),
    ])
    func `permission bits are kept as far as asked`(
        remote: UInt32, keepsAll: Bool, expected: mode_t
    ) async throws {
        try await withFolder { path, folder in
            let attributes = LocalAttributes(
                mode: FileMode(bits: remote), keepsAll: keepsAll,
                modified: WallTime(seconds: 1_000_000_000, nanoseconds: 5))
            try await disk.place(
                ByteBuffer(), as: [UInt8]("f".utf8), in: folder, attributes)
            var status = stat()
            try #require(lstat("\(path)/f", &status) == 0)

            let bits = status.st_mode & 0o777
            let mask = umask(0o022)
            umask(mask)
            #expect(keepsAll ? bits == expected : bits & 0o111 == expected & ~mask)
            #expect(status.st_mtim.tv_sec == 1_000_000_000 && status.st_mtim.tv_nsec == 5)
        }
    }

    @Test func `a FIFO is refused and not waited for`() async throws {
        try await withFolder { path, folder in
            try #require(mkfifo("\(path)/pipe", 0o600) == 0)

            await #expect(throws: ShellFailure.self) {
                try await disk.source([UInt8]("pipe".utf8), in: folder)
            }
        }
    }

    @Test func `a link below the directory that is put is not followed`() async throws {
        try await withFolder { path, folder in
            try #require(symlink("/etc/passwd", "\(path)/link") == 0)

            let failure = await #expect(throws: LocalFailure.self) {
                try await disk.source([UInt8]("link".utf8), in: folder)
            }

            #expect(failure?.number == ELOOP)
        }
    }

    @Test func `names of every kind are listed as bytes, in order`() async throws {
        try await withFolder { path, folder in
            for name in ["b", "a\n", "\u{1B}[m"] { try #require(writeFile("\(path)/\(name)", "")) }

            #expect(try await names(folder) == ["\u{1B}[m", "a\n", "b"])
        }
    }

    private func writeFile(_ path: String, _ text: String) -> Bool {
        guard let file = fopen(path, "w") else { return false }
        fputs(text, file)
        return fclose(file) == 0
    }
}
