import DFSProtocol
import Glibc

/// What tests do with plain files, by bytes, so that every name that Linux allows can be made.
public enum FileSystem {
    /// Writes a whole file; folders on the way to it are made.
    public static func write(_ contents: [UInt8], to path: [UInt8]) throws {
        if let slash = path.lastIndex(of: UInt8(ascii: "/")), slash > 0 {
            try makeFolders(Array(path[..<slash]))
        }
        let descriptor = open(cString(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure("write", path) }
        defer { close(descriptor) }
        var written = 0
        while written < contents.count {
            let count = contents.withUnsafeBytes { bytes in
                Glibc.write(
                    descriptor, UnsafeRawBufferPointer(rebasing: bytes[written...]).baseAddress,
                    bytes.count - written)
            }
            guard count > 0 else { throw failure("write", path) }
            written += count
        }
    }

    /// Writes a whole file; folders on the way to it are made.
    public static func write(_ text: String, to path: String) throws {
        try write([UInt8](text.utf8), to: [UInt8](path.utf8))
    }

    /// Says when a file was last changed, in seconds since 1970.
    public static func setTime(_ seconds: Int64, of path: [UInt8]) throws {
        let times = [timespec(tv_sec: Int(seconds), tv_nsec: 0)]
        guard utimensat(AT_FDCWD, cString(path), times + times, 0) == 0 else {
            throw failure("set the time of", path)
        }
    }

    /// Reads a whole file.
    public static func read(_ path: [UInt8]) throws -> [UInt8] {
        let descriptor = open(cString(path), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("read", path) }
        defer { close(descriptor) }
        var contents: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { return contents }
            contents.append(contentsOf: buffer[..<count])
        }
    }

    /// Reads a whole file.
    public static func read(_ path: String) throws -> [UInt8] { try read([UInt8](path.utf8)) }

    /// The last part of a file as text, control bytes shown; empty where there is no such file.
    public static func tail(_ path: String, bytes: Int = 4096) -> String {
        // A log that is not there yet has nothing to show.
        guard let contents = try? read(path) else { return "" }
        return shown(contents.suffix(bytes))
    }

    /// Makes a folder and those above it; what is there stays.
    public static func makeFolders(_ path: [UInt8]) throws {
        for (index, byte) in path.enumerated().dropFirst() where byte == UInt8(ascii: "/") {
            if mkdir(cString(Array(path[..<index])), 0o755) != 0, errno != EEXIST {
                throw failure("make the folder", Array(path[..<index]))
            }
        }
        if mkdir(cString(path), 0o755) != 0, errno != EEXIST {
            throw failure("make the folder", path)
        }
    }

    /// Makes a folder and those above it; what is there stays.
    public static func makeFolders(_ path: String) throws { try makeFolders([UInt8](path.utf8)) }

    /// Whether anything has this name, without following a symbolic link.
    public static func exists(_ path: [UInt8]) -> Bool {
        var status = stat()
        return lstat(cString(path), &status) == 0
    }

    /// Every regular file below a folder, as paths relative to it, in bytewise order.
    public static func files(below folder: [UInt8]) throws -> [[UInt8]] {
        try entries(below: folder).filter { !$0.isFolder }.map(\.path)
    }

    /// Every regular file and folder below a folder, as paths relative to it, in bytewise order.
    public static func entries(
        below folder: [UInt8]
    ) throws -> [(path: [UInt8], isFolder: Bool)] {
        var found: [(path: [UInt8], isFolder: Bool)] = []
        var waiting: [[UInt8]] = [[]]
        while let relative = waiting.popLast() {
            let path = relative.isEmpty ? folder : folder + [UInt8(ascii: "/")] + relative
            for name in try names(in: path) {
                let below = relative.isEmpty ? name : relative + [UInt8(ascii: "/")] + name
                var status = stat()
                guard lstat(cString(folder + [UInt8(ascii: "/")] + below), &status) == 0 else {
                    continue
                }
                let isFolder = status.st_mode & S_IFMT == S_IFDIR
                guard isFolder || status.st_mode & S_IFMT == S_IFREG else { continue }
                found.append((below, isFolder))
                if isFolder { waiting.append(below) }
            }
        }
        return found.sorted { $0.path.lexicographicallyPrecedes($1.path) }
    }

    /// The names in a folder, without `.` and `..`, in bytewise order.
    public static func names(in folder: [UInt8]) throws -> [[UInt8]] {
        guard let directory = opendir(cString(folder)) else { throw failure("list", folder) }
        defer { closedir(directory) }
        var names: [[UInt8]] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [0x2E], name != [0x2E, 0x2E] { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Removes a file, or a folder with all that is in it; nothing there is no error.
    public static func remove(_ path: [UInt8]) throws {
        var status = stat()
        guard lstat(cString(path), &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            chmod(cString(path), 0o700)
            for name in try names(in: path) { try remove(path + [UInt8(ascii: "/")] + name) }
            guard rmdir(cString(path)) == 0 else { throw failure("remove", path) }
        } else {
            guard unlink(cString(path)) == 0 else { throw failure("remove", path) }
        }
    }

    /// Removes a file, or a folder with all that is in it; nothing there is no error.
    public static func remove(_ path: String) throws { try remove([UInt8](path.utf8)) }

    /// Makes a folder with a name that nothing else has.
    public static func makeUniqueFolder(_ prefix: String) throws -> String {
        var template = [UInt8]((prefix + "XXXXXX").utf8).map { CChar(bitPattern: $0) } + [0]
        guard mkdtemp(&template) != nil else {
            throw failure("make a folder like", [UInt8](prefix.utf8))
        }
        return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    static func cString(_ bytes: [UInt8]) -> [CChar] {
        bytes.map { CChar(bitPattern: $0) } + [0]
    }

    /// Text as it may be printed: newlines stay, other control bytes and what is no UTF-8 are
    /// `\xhh`.
    public static func shown(_ bytes: some Collection<UInt8>) -> String {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            // The quoted form escapes exactly these, and besides them quotation marks and
            // backslashes.
            String(decoding: Quoting.quoteAlways(line), as: UTF8.self).dropFirst().dropLast()
                .split(separator: "\\\\", omittingEmptySubsequences: false)
                .map { $0.replacing("\\\"", with: "\"").replacing("\\t", with: "\t") }
                .joined(separator: "\\")
        }.joined(separator: "\n")
    }

    private static func failure(_ what: String, _ path: [UInt8]) -> TestFailure {
        let reason = systemMessage()
        return TestFailure("could not \(what) \(shown(path)): \(reason)")
    }
}
