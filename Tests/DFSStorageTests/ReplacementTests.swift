import CPosix
import DFSProtocol
import FileService
import Testing

@testable import DFSStorage

@Suite struct ReplacementTests {
    let folder: TemporaryFolder
    let disk: OpenStore
    let file = path("/a/b/c.txt")

    init() throws {
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
    }

    @Test func `nobody sees a replacement before it is complete, nor after it was abandoned`()
        throws
    {
        let replacement = try disk.store.beginReplacement(of: file, mode: nil)
        try replacement.write("half")
        #expect(refusal { _ = try disk.store.entry(file) } == .notFound)
        #expect(try disk.names(in: path("/a/b")) == [])

        replacement.abandon()
        replacement.abandon()

        #expect(refusal { try replacement.write("x") } == .badState)
        #expect(refusal { _ = try replacement.commit(mtime: nil) } == .badState)
        #expect(folder.entries("a/b") == [])
    }

    @Test func `mode, time and digest are as asked for`() throws {
        let mtime = WallTime(seconds: 1_234_567_890, nanoseconds: 500)
        let replacement = try disk.store.beginReplacement(of: file, mode: FileMode(bits: 0o600))
        try replacement.write("hello ")
        try replacement.write("world\n")
        let digest = replacement.digest()

        let entry = try replacement.commit(mtime: mtime)

        #expect(entry.facts.mode == FileMode(bits: 0o600))
        #expect(entry.facts.mtime == mtime)
        #expect(
            String(decoding: digest, as: UTF8.self)
                == "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447")
        #expect(try disk.store.digest(file, range: nil, isWanted: { true }).sha256 == digest)
        #expect(try disk.put("x", at: file).facts.mode == FileMode(bits: 0o600))
    }

    @Test(arguments: [
        (Int64(0), Int64(5), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
        (0, .max, "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447"),
        (12, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (.max, .max, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ])
    func `a digest covers the range that was asked for`(
        offset: Int64, count: Int64, expected: String
    ) throws {
        try disk.put("hello world\n", at: file)

        let digest = try disk.store.digest(file, range: (offset, count), isWanted: { true })

        #expect(String(decoding: digest.sha256, as: UTF8.self) == expected)
        #expect(digest.facts.ver == 1)
    }

    @Test func `readers see the whole old or the whole new file`() throws {
        let (disk, file) = (disk, file)
        try disk.put(String(repeating: "0", count: 50_000), at: file)

        let writer = Background {
            for round in 1...30 {
                try disk.put(String(repeating: String(round % 10), count: 50_000), at: file)
            }
        }
        repeat {
            let text = try disk.get(file)
            #expect(text.utf8.count == 50_000)
            #expect(Set(text.utf8).count == 1)
        } while writer.isRunning
        writer.wait()

        #expect(try disk.store.entry(file).facts.ver == 31)
    }

    @Test func `writes and stores that race lose no acknowledged byte silently`() throws {
        let (disk, file) = (disk, file)
        try disk.put("0", at: file)

        let storing = Background { for _ in 0..<30 { try disk.put("stored", at: file) } }
        var (kept, stale) = (0, 0)
        repeat {
            let session = try disk.store.open(file, .readWrite, mode: nil)
            let code = refusal {
                try session.write("W", at: 0)
                // An acknowledged close is a version of its own; a store after it is a later one.
                let ver = try session.close().ver
                #expect(try disk.store.entry(file).facts.ver >= ver)
            }
            #expect(code == nil || code == .staleFile)
            if code == nil { kept += 1 } else { stale += 1 }
        } while storing.isRunning
        storing.wait()

        // Each acknowledged close and each store is one version, and nothing else is.
        #expect(try disk.store.entry(file).facts.ver >= Int64(31 + kept), "stale \(stale)")
    }

    @Test func `a directory is not replaced by a file`() throws {
        try disk.put("x", at: file)

        #expect(refusal { try disk.put("x", at: path("/a/b")) } == .isDirectory)
        #expect(refusal { try disk.put("x", at: path("/a/b/c.txt/d")) } == .notDirectory)
        #expect(refusal { try disk.put("x", at: .root) } == .isDirectory)
    }

    @Test func `a folder that was removed meanwhile takes no replacement`() throws {
        let replacement = try disk.store.beginReplacement(of: file, mode: nil)
        try replacement.write("x")

        try disk.store.remove(path("/a"), recursive: true)

        #expect(refusal { _ = try replacement.commit(mtime: nil) } == .notFound)
        #expect(try disk.inventory() == [])
    }

    @Test func `an owner keeps his file when it is replaced`() throws {
        try disk.put("x", at: file)
        guard chown("\(folder.path)/a/b/c.txt", 1234, 1234) == 0 else { return }

        try disk.put("y", at: file)

        let status = try FileStatus(in: -1, named: Array("\(folder.path)/a/b/c.txt".utf8))
        #expect(status.user == 1234)
    }
}
