import DFSClient
import DFSProtocol
import Glibc

/// A copy of a file of the tree in a folder on this machine that only its person can enter.
struct PrivateCopy {
    /// What a copy was made of.
    struct Origin {
        /// The file's identity over renames.
        let fileID: Int64
        /// Counts the changes of that file.
        let version: Int64
    }

    /// Where the copy is.
    let path: [UInt8]
    private let folder: [UInt8]

    /// Makes the folder; the file is not there yet.
    ///
    /// - Parameter name: What the file is called in the tree; bytes that a terminal would take for
    ///   more than a name are left out of the copy's.
    /// - Throws: `ShellFailure`.
    init(of name: some Collection<UInt8>) throws {
        let temporary = getenv("TMPDIR").map { LocalName.bytes($0) } ?? []
        let parent = temporary.isEmpty ? [UInt8]("/tmp".utf8) : temporary
        // mkdtemp writes the name that it chose over the X.
        var template =
            LocalName.join(parent, [UInt8]("dfsh-XXXXXX".utf8)).map { CChar(bitPattern: $0) } + [0]
        guard mkdtemp(&template) != nil else { throw LocalFailure.failure(parent, errno) }
        folder = template.dropLast().map { UInt8(bitPattern: $0) }
        path = LocalName.join(folder, PrivateCopy.harmless(name))
    }

    /// The name for programs of this machine, which may show it raw.
    static func harmless(_ name: some Collection<UInt8>) -> [UInt8] {
        let text = String(validating: name, as: UTF8.self)
        let isPlain = text.map { [UInt8]("\"\($0)\"".utf8) == Quoting.quoteAlways(name) } ?? false
        if isPlain { return Array(name) }
        return name.map { byte in
            let isLetter =
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            return isLetter || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
                ? byte : UInt8(ascii: "_")
        }
    }

    /// Brings the file here, verified; without it the folder goes too.
    ///
    /// - Parameter mode: The copy's permission bits.
    /// - Returns: Which file and which version of it was brought.
    /// - Throws: Why it can not be had or written.
    func receive(
        _ file: TreePath, from client: DFSClient, mode: mode_t = 0o600
    ) async throws -> Origin {
        do {
            return try await fetch(file, client, mode)
        } catch {
            remove()
            throw error
        }
    }

    private func fetch(
        _ file: TreePath, _ client: DFSClient, _ mode: mode_t
    ) async throws -> Origin {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let descriptor = LocalName.withPath(path) { Glibc.open($0, flags, mode) }
        guard descriptor >= 0 else { throw LocalFailure.failure(path, errno) }
        defer { close(descriptor) }
        let facts = try await client.fetch(file) { bytes in
            guard writeAll(Array(bytes.readableBytesView), to: descriptor) else {
                throw LocalFailure.failure(path, errno)
            }
        }
        return Origin(fileID: facts.fileID, version: facts.version)
    }

    /// What the file holds now; nil where it is not there.
    ///
    /// - Parameter limit: Bytes at most.
    /// - Throws: `ShellFailure` for one that is larger or can not be read.
    func contents(atMost limit: Int) throws -> [UInt8]? {
        let descriptor = LocalName.withPath(path) { Glibc.open($0, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw LocalFailure.failure(path, errno)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= limit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return bytes }
            if count > 0 {
                bytes += buffer[..<count]
            } else if errno != EINTR {
                throw LocalFailure.failure(path, errno)
            }
        }
        throw ShellFailure(
            .failed, "it has more than \(Amounts.sentence(Int64(limit))) now, too much for \"edit\""
        )
    }

    /// Removes the folder, with what else a program left in it.
    func remove() {
        guard let stream = LocalName.withPath(folder, { opendir($0) }) else { return }
        while let entry = readdir(stream) {
            let name = LocalName.bytes(of: entry)
            // The folder's own name and its parent's are refused by the system.
            _ = LocalName.withPath(LocalName.join(folder, name)) { unlink($0) }
        }
        closedir(stream)
        // A folder that something is left in stays; it is the person's own.
        _ = LocalName.withPath(folder) { rmdir($0) }
    }
}
