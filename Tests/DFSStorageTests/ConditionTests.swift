import DFSProtocol
import FileService
import Synchronization
import Testing

@testable import DFSStorage

/// `if-ver=`: only the file that was meant is opened, written or replaced.
@Suite struct ConditionTests {
    let folder: TemporaryFolder
    let disk: OpenStore
    let file = path("/d/a")

    init() throws {
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
    }

    private func store(_ text: String, ifVersion version: Int64?) throws -> FileEntry {
        let replacement = try disk.store.beginReplacement(of: file, mode: nil)
        try replacement.write(text)
        return try replacement.commit(mtime: nil, ifVersion: version)
    }

    /// The version that a conflict tells; nil for anything else.
    private func conflict(_ body: () throws -> Void) -> String? {
        do { try body() } catch let error as RequestError where error.code == .conflict {
            let field = error.fields.first { $0.key == "ver" }
            return field.map { String(decoding: $0.value, as: UTF8.self) }
        } catch {
            return nil
        }
        return nil
    }

    @Test func `the version that is there opens, writes and replaces`() throws {
        try disk.put("one", at: file)

        let session = try disk.store.open(file, .readWrite, mode: nil, ifVersion: 1)
        try session.write([UInt8]("ONE".utf8), at: 0, ifVersion: 1)
        #expect(try session.close().ver == 2)

        #expect(try store("two", ifVersion: 2).facts.ver == 3)
    }

    @Test func `another version is a conflict that tells which it is, and changes nothing`() throws
    {
        try disk.put("one", at: file)
        let session = try disk.store.open(file, .readWrite, mode: nil)

        for version in [Int64(0), 2, .max] {
            #expect(
                conflict {
                    _ = try disk.store.open(file, .create, mode: nil, ifVersion: version)
                } == "1")
            #expect(
                conflict {
                    try session.write([UInt8]("x".utf8), at: 0, ifVersion: version)
                } == "1")
            #expect(conflict { _ = try store("x", ifVersion: version) } == "1")
        }

        #expect(try session.close().ver == 1)
        #expect(try disk.get(file) == "one")
        #expect(folder.entries("d") == ["a"])
    }

    @Test func `a file that is not there is not made for a version`() throws {
        #expect(
            refusal { _ = try disk.store.open(file, .create, mode: nil, ifVersion: 0) }
                == .notFound)
        #expect(!folder.exists("d"))
        #expect(refusal { _ = try store("x", ifVersion: 0) } == .notFound)
        #expect(refusal { _ = try disk.store.entry(file) } == .notFound)
    }

    @Test func `a change by others is another version at once`() throws {
        try disk.put("one", at: file)
        let session = try disk.store.open(file, .readWrite, mode: nil)
        try folder.write("other", to: "d/a")

        #expect(
            conflict { try session.write([UInt8]("x".utf8), at: 0, ifVersion: 1) } == "2")
        #expect(try session.facts().ver == 2)
        #expect(conflict { _ = try store("x", ifVersion: 1) } == "2")
    }

    @Test func `a session on a file that is gone is stale, whatever the version`() throws {
        try disk.put("one", at: file)
        let session = try disk.store.open(file, .readWrite, mode: nil)
        #expect(!session.isStale)
        try disk.put("two", at: file)

        #expect(session.isStale)
        #expect(
            refusal { try session.write([UInt8]("x".utf8), at: 0, ifVersion: 1) } == .staleFile)
        _ = try session.close()
        #expect(session.isStale)
    }

    @Test func `of many who replace one version one wins, each time`() throws {
        let (disk, file) = (disk, file)
        try disk.put("0", at: file)
        let wins = Mutex([Int64: Int]())

        let writers = (0..<4).map { writer in
            Background {
                for version in Int64(1)...20 {
                    let replacement = try disk.store.beginReplacement(of: file, mode: nil)
                    try replacement.write("\(writer) on \(version)")
                    let code = refusal {
                        _ = try replacement.commit(mtime: nil, ifVersion: version)
                    }
                    #expect(code == nil || code == .conflict)
                    if code == nil { wins.withLock { $0[version, default: 0] += 1 } }
                }
            }
        }
        for writer in writers { writer.wait() }

        let last = try disk.store.entry(file).facts.ver
        #expect(wins.withLock { $0.values.allSatisfy { $0 == 1 } })
        #expect(wins.withLock { Int64($0.count) } == last - 1)
    }
}

extension OpenFile {
    fileprivate func write(_ bytes: [UInt8], at offset: Int64, ifVersion version: Int64) throws {
        try bytes.withUnsafeBytes { try write($0, at: offset, ifVersion: version) }
    }
}
