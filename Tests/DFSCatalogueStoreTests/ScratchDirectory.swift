import Glibc
import Testing

/// A directory of one test, removed with everything in it when the test ends.
final class ScratchDirectory {
    let path: String

    struct MissingDirectory: Error {}

    init() throws {
        var template = Array("/tmp/dfs-catalogue-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.map { mkdtemp($0) != nil } ?? false
        }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        if !made { throw MissingDirectory() }
    }

    deinit {
        // A leftover in /tmp fails no test.
        let leftover = (try? names()) ?? []
        for name in leftover { unlink(file(name)) }
        rmdir(path)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// The names in the directory, sorted.
    func names() throws -> [String] {
        let directory = try #require(opendir(path))
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

/// Reads a whole file.
func contents(of path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY)
    try #require(descriptor >= 0, "can not open \(path)")
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = read(descriptor, &buffer, buffer.count)
        try #require(count >= 0, "can not read \(path)")
        if count == 0 { return bytes }
        bytes += buffer.prefix(count)
    }
}

/// Writes a whole file, in place of what was there.
func write(_ bytes: [UInt8], to path: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    try #require(descriptor >= 0, "can not make \(path)")
    defer { close(descriptor) }
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        try #require(count > 0, "can not write \(path)")
        rest = rest.dropFirst(count)
    }
}
