import DFSProtocol
import FileService
import Glibc
import Testing

@testable import DFSStorage

@Suite struct SessionTests {
    let folder: TemporaryFolder
    let disk: OpenStore
    let file = path("/a.txt")

    init() throws {
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
    }

    @Test func `only who made a file is told that it is new`() throws {
        try disk.put("old", at: file)

        #expect(try disk.store.open(path("/n"), .create, mode: nil).isNew)
        #expect(try !disk.store.open(path("/n"), .create, mode: nil).isNew)
        #expect(try disk.store.open(path("/m"), .createNew, mode: nil).isNew)
        #expect(try !disk.store.open(file, .create, mode: nil).isNew)
        #expect(try !disk.store.open(file, .readWrite, mode: nil).isNew)
        #expect(try !disk.store.open(file, .read, mode: nil).isNew)
    }

    @Test func `sessions of a replaced file read on, and every change is stale`() throws {
        try disk.put("old", at: file)
        let session = try disk.store.open(file, .readWrite, mode: nil)
        try session.write("OLD", at: 0)

        try disk.put("new", at: file)

        #expect(try session.text() == "OLD")
        #expect(refusal { try session.write("x", at: 0) } == .staleFile)
        #expect(refusal { _ = try session.append("x") } == .staleFile)
        #expect(refusal { try session.truncate(to: 0) } == .staleFile)
        #expect(refusal { _ = try session.sync() } == .staleFile)
        #expect(refusal { _ = try session.close() } == .staleFile)
        #expect(refusal { _ = try session.close() } == .staleHandle)
        #expect(try disk.get(file) == "new")
    }

    @Test func `sessions of a removed file read on, and every change is stale`() throws {
        try disk.put("old", at: path("/d/f"))
        let session = try disk.store.open(path("/d/f"), .readWrite, mode: nil)
        let idle = try disk.store.open(path("/d/f"), .readWrite, mode: nil)

        try disk.store.remove(path("/d"), recursive: true)

        #expect(try session.text() == "old")
        #expect(refusal { try session.write("x", at: 0) } == .staleFile)
        #expect(refusal { _ = try idle.close() } == nil)
    }

    @Test func `sessions follow a rename`() throws {
        try disk.put("old", at: file)
        let session = try disk.store.open(file, .readWrite, mode: nil)

        try disk.store.rename(file, to: path("/b"))
        try session.write("new", at: 0)

        #expect(try session.close().ver == 2)
        #expect(try disk.get(path("/b")) == "new")
        #expect(try disk.store.entry(path("/b")).facts.ver == 2)
    }

    @Test func `a file that a rename replaces makes its sessions stale`() throws {
        try disk.put("a", at: file)
        try disk.put("b", at: path("/b"))
        let session = try disk.store.open(path("/b"), .readWrite, mode: nil)

        try disk.store.rename(file, to: path("/b"))

        #expect(refusal { try session.write("x", at: 0) } == .staleFile)
        #expect(try disk.get(path("/b")) == "a")
    }

    @Test func `sessions of a file that another program replaced or removed are stale`() throws {
        try disk.put("old", at: file)
        let session = try disk.store.open(file, .readWrite, mode: nil)

        try folder.write("other", to: "c")
        rename("\(folder.path)/c", "\(folder.path)/a.txt")

        #expect(refusal { try session.write("x", at: 0) } == .staleFile)
        #expect(folder.read("a.txt") == "other")
    }

    @Test func `a session opened r changes nothing`() throws {
        try disk.put("old", at: file)
        let session = try disk.store.open(file, .read, mode: nil)

        #expect(refusal { try session.write("x", at: 0) } == .readOnly)
        #expect(refusal { try session.truncate(to: 0) } == .readOnly)
        #expect(try session.close().ver == 1)
    }

    @Test func `append and truncate say the size`() throws {
        let session = try disk.store.open(file, .createNew, mode: FileMode(bits: 0o640))
        #expect(try session.append("hello") == 5)
        #expect(try session.append(" world") == 11)
        try session.truncate(to: 5)

        let facts = try session.close()

        #expect(facts.size == 5)
        #expect(facts.mode == FileMode(bits: 0o640))
        #expect(try disk.get(file) == "hello")
    }

    @Test func `sessions that change and sync a file at once count every change`() throws {
        let (disk, file) = (disk, file)
        _ = try disk.store.open(file, .create, mode: nil).close()

        // Which of them may run beside each other is the core's to say; versions hold in any case.
        let writers = (0..<4).map { writer in
            Background {
                let session = try disk.store.open(file, .readWrite, mode: nil)
                for round in 0..<20 {
                    try session.write("\(writer)", at: Int64(writer * 20 + round))
                    let before = try session.facts().ver
                    let after = try session.sync().ver
                    #expect(after >= before)
                }
                _ = try session.close()
            }
        }
        for writer in writers { writer.wait() }

        let facts = try disk.store.entry(file).facts
        #expect(facts.size == 80)
        #expect((1...84).contains(facts.ver))
        #expect(Set(try disk.get(file)) == ["0", "1", "2", "3"])
        let session = try disk.store.open(file, .readWrite, mode: nil)
        #expect(try session.sync().ver == facts.ver)
    }

    @Test(
        arguments: [
            (FileAccess.read, ErrorCode.notFound), (.readWrite, .notFound), (.create, nil),
            (.createNew, nil),
        ] as [(FileAccess, ErrorCode?)])
    func `an absent file opens only where it may be created`(
        access: FileAccess, expected: ErrorCode?
    ) {
        #expect(refusal { _ = try disk.store.open(file, access, mode: nil) } == expected)
    }

    @Test(
        arguments: [
            (FileAccess.read, nil), (.readWrite, nil), (.create, nil), (.createNew, .exists),
        ] as [(FileAccess, ErrorCode?)])
    func `a present file opens and is not cut`(access: FileAccess, expected: ErrorCode?) throws {
        try disk.put("kept", at: file)

        #expect(refusal { _ = try disk.store.open(file, access, mode: nil) } == expected)
        #expect(try disk.get(file) == "kept")
    }

    @Test func `offsets past the largest file are out of range`() throws {
        let session = try disk.store.open(file, .create, mode: nil)

        #expect(refusal { try session.write("xy", at: .max - 1) } == .range)
        #expect(refusal { try session.truncate(to: .max) } == .range)
        #expect(try session.text(at: .max) == "")
    }
}
