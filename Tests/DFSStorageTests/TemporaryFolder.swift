import CPosix
import DFSProtocol
import FileService
import Glibc
import Testing

@testable import DFSStorage

/// A folder of one test, gone at its end.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/dfs-storage-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        path = try #require(made)
    }

    deinit { TemporaryFolder.run("/bin/rm", "-rf", path) }

    /// A folder in it, made with its parents.
    func folder(_ name: String) -> String {
        TemporaryFolder.run("/bin/mkdir", "-p", path + "/" + name)
        return path + "/" + name
    }

    /// Writes a file as another program would, in place.
    func write(_ text: String, to name: String) throws {
        let descriptor = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        try #require(descriptor >= 0, "\(name): errno \(errno)")
        defer { Glibc.close(descriptor) }
        let count = Glibc.write(descriptor, text, text.utf8.count)
        try #require(count == text.utf8.count)
    }

    /// What a file holds; nil where there is none.
    func read(_ name: String) -> String? {
        let descriptor = open("\(path)/\(name)", O_RDONLY)
        guard descriptor >= 0 else { return nil }
        defer { Glibc.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    /// Whether anything has the name.
    func exists(_ name: String) -> Bool {
        var status = stat()
        return lstat("\(path)/\(name)", &status) == 0
    }

    /// Names in a directory, in order.
    func entries(_ name: String) -> [String] {
        guard let stream = opendir("\(path)/\(name)") else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Runs a program and waits for its end.
    @discardableResult
    static func run(_ program: String, _ arguments: String...) -> Int32 {
        var pid = pid_t()
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        guard posix_spawn(&pid, program, nil, nil, words, environ) == 0 else { return -1 }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) == -1, errno == EINTR {}
        return status
    }
}

/// A store on temporary folders, closed at the end of its test.
final class OpenStore: Sendable {
    let store: DiskStore
    let changes: ChangeSignal

    init(
        _ exports: [ExportSettings], servedBefore: [ServedExport] = [],
        rescan: Duration = .seconds(300),
        log: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(RequestError) {
        let changes = ChangeSignal()
        store = try DiskStore.open(
            exports: exports, servedBefore: servedBefore, rescan: rescan,
            onChange: { changes.signal() }, log: log)
        self.changes = changes
        store.start()
        store.waitForFirstScan()
    }

    convenience init(_ folder: TemporaryFolder) throws {
        try self.init([ExportSettings(folder: folder.path)])
    }

    deinit {
        // What close could not write is of no interest at the end of a test.
        try? store.close()
    }

    /// Stores a whole file.
    @discardableResult
    func put(
        _ text: String, at path: TreePath, mode: FileMode? = nil
    ) throws -> FileEntry {
        let replacement = try store.beginReplacement(of: path, mode: mode)
        try replacement.write(text)
        return try replacement.commit(mtime: nil)
    }

    /// Reads a whole file of up to a megabyte.
    func get(_ path: TreePath) throws -> String {
        let file = try store.open(path, .read, mode: nil)
        let text = try file.text()
        _ = try file.close()
        return text
    }

    /// Names in a directory.
    func names(in path: TreePath) throws -> [String] {
        try store.list(path, after: nil, limit: 10_000).entries.map {
            String(decoding: $0.path.name, as: UTF8.self)
        }
    }

    /// Everything that an inventory tells, by path.
    func inventory(page: Int = 100) throws -> [FileReport] {
        var (reports, next) = ([FileReport](), TreePath?.none)
        repeat {
            let batch = try store.inventory(after: next, limit: page)
            reports += batch.reports
            next = batch.next
        } while next != nil
        return reports
    }

    /// Waits until something is so: looked at after each change, and given up after ten seconds.
    func wait(until isTrue: () -> Bool) -> Bool { changes.wait(until: isTrue) }

    /// What the ledger alone knows of a path, without a look at the disk.
    func known(_ path: TreePath) -> FileFacts? {
        guard let export = store.table.owner(of: path) else { return nil }
        return export.ledger.state.withLock { state in
            state.tree.find(export.relative(path).split(separator: TreePath.slash))
                .map { state.tree[$0].facts }
        }
    }
}

extension FileReplacement {
    func write(_ text: String) throws {
        let bytes = [UInt8](text.utf8)
        try bytes.withUnsafeBytes { bytes in try write(bytes) }
    }
}

extension OpenFile {
    func write(_ text: String, at offset: Int64) throws {
        let bytes = [UInt8](text.utf8)
        try bytes.withUnsafeBytes { bytes in try write(bytes, at: offset) }
    }

    func append(_ text: String) throws -> Int64 {
        let bytes = [UInt8](text.utf8)
        return try bytes.withUnsafeBytes { bytes in try append(bytes) }
    }

    func text(at offset: Int64 = 0) throws -> String {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 1)
        defer { buffer.deallocate() }
        let count = try read(at: offset, into: buffer)
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}

/// The code of what a body throws; nil where it throws nothing.
func refusal(_ body: () throws -> Void) -> ErrorCode? {
    do {
        try body()
        return nil
    } catch let error as RequestError {
        return error.code
    } catch {
        Issue.record(error)
        return nil
    }
}

func path(_ text: String) -> TreePath {
    do { return try TreePath(text) } catch { preconditionFailure("\(error)") }
}
