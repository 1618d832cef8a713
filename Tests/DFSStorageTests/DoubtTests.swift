import CPosix
import DFSProtocol
import FileService
import Glibc
import Synchronization
import Testing

@testable import DFSStorage

/// Answers where the ledger's disk is full: what was done, what was not, and what nobody knows.
@Suite(.enabled(if: geteuid() == 0, "needs a file system of its own"))
struct DoubtTests {
    let folder: TemporaryFolder
    let small: MountedFolder
    let disk: OpenStore
    let file = path("/a.txt")

    init() throws {
        folder = try TemporaryFolder()
        small = try #require(MountedFolder(folder.folder("small"), "size=2m"))
        disk = try OpenStore([ExportSettings(folder: small.path)])
    }

    /// Takes all the room that is left on the disk, also what the ledger has given up.
    private func fill() {
        let fill = Glibc.open(small.path + "/.dfs-tmp-fill", O_WRONLY | O_CREAT | O_APPEND, 0o644)
        let block = [UInt8](repeating: 0, count: 4096)
        while Glibc.write(fill, block, block.count) > 0 {}
        Glibc.close(fill)
    }

    private func makeRoom() { unlink(small.path + "/.dfs-tmp-fill") }

    /// Ends the store as a kill would, and makes room only then.
    private func abandon() {
        disk.store.abandon()
        makeRoom()
        // The full disk kept its file from being closed.
        disk.store.table.exports[0].ledger.abandon()
    }

    private func exists(_ name: String) -> Bool { folder.exists("small/" + name) }

    /// Fills the disk until a change fails.
    ///
    /// - Parameter change: Needs no room but that of the ledger.
    /// - Returns: Its code at each attempt; the last one is no success.
    private func failing(_ change: (Int) throws -> Void) -> [ErrorCode?] {
        var codes: [ErrorCode?] = []
        while codes.count < 500, codes.last ?? nil == nil {
            fill()
            codes.append(refusal { try change(codes.count) })
        }
        return codes
    }

    @Test func `a file that is stored is never refused with no-space`() throws {
        let store = { (number: Int) in _ = try disk.put("", at: path("/stored-\(number)")) }
        let first = failing(store)
        let later = (0..<3).map { number in refusal { try store(1000 + number) } }

        // The ledger failed behind the name: that is not known as done, nor as not done.
        #expect(first.last == .io)
        for number in first.indices { #expect(exists("stored-\(number)")) }
        // From then on it is asked before the name changes.
        #expect(later == [.noSpace, .noSpace, .noSpace])
        for number in later.indices { #expect(!exists("stored-\(1000 + number)")) }

        makeRoom()
        try store(2000)
        #expect(folder.entries("small").filter { $0.hasPrefix(".dfs-tmp-") } == [])
    }

    @Test func `a file that OPEN has made is never refused with no-space`() throws {
        let create = { (number: Int) in
            _ = try disk.store.open(path("/made-\(number)"), .createNew, mode: nil).close()
        }
        let first = failing(create)
        let later = (0..<3).map { number in refusal { try create(1000 + number) } }

        #expect(first.last == .io)
        for number in first.indices { #expect(exists("made-\(number)")) }
        #expect(later == [.noSpace, .noSpace, .noSpace])
        for number in later.indices { #expect(!exists("made-\(1000 + number)")) }

        makeRoom()
        try create(1000)
    }

    @Test func `CLOSE tells no version that the ledger could not keep, and none comes again`()
        throws
    {
        try disk.put("old", at: file)
        let session = try disk.store.open(file, .readWrite, mode: nil)
        // The mark's own room is there from now on.
        try session.write("O", at: 0)
        let kept = try session.sync().ver
        let codes = failing { _ in
            try session.write("N", at: 0)
            _ = try session.sync()
        }
        #expect(codes.last == .noSpace)
        let told = try disk.store.entry(file).facts.ver
        #expect(told > kept)
        #expect(try disk.get(file) == "Nld")
        let other = try disk.store.open(file, .read, mode: nil)

        #expect(refusal { _ = try session.close() } == .noSpace)
        // Who wrote nothing has nothing to lose.
        #expect(try other.close().ver == told)

        abandon()
        let again = try OpenStore([ExportSettings(folder: small.path)])
        #expect(try again.store.entry(file).facts.ver > told)
        #expect(again.store.table.exports[0].marks.leftovers().isEmpty)
        try again.store.close()
    }

    @Test func `a version that was told of a STORE in doubt is not told of another content`() throws
    {
        try disk.put("", at: file)
        let codes = failing { _ in try disk.put("", at: file) }
        #expect(codes.last == .io)
        let told = try disk.store.entry(file).facts

        abandon()
        let again = try OpenStore([ExportSettings(folder: small.path)])

        let after = try again.store.entry(file).facts
        #expect(after.fid == told.fid)
        #expect(after.ver > told.ver)
        try again.store.close()
    }

    @Test func `a ledger that failed is written again although others keep waking it`() throws {
        _ = failing { number in _ = try disk.put("", at: path("/stored-\(number)")) }
        let (ledger, isDone) = (disk.store.table.exports[0].ledger, Flag())
        let waking = Background { while !isDone.isRaised { ledger.wake() } }

        makeRoom()

        #expect(refusal { try disk.put("", at: path("/after")) } == nil)
        isDone.raise()
        waking.wait()
    }

    @Test func `a session goes on when the ledger has room again, and CLOSE tells what is kept`()
        throws
    {
        try disk.put("old", at: file)
        let session = try disk.store.open(file, .readWrite, mode: nil)
        try session.write("O", at: 0)
        _ = try session.sync()
        _ = failing { _ in
            try session.write("N", at: 0)
            _ = try session.sync()
        }

        makeRoom()
        #expect(disk.wait { refusal { _ = try session.sync() } == nil })
        let closed = try session.close()
        disk.store.abandon()

        let again = try OpenStore([ExportSettings(folder: small.path)])
        #expect(try again.store.entry(file).facts.ver == closed.ver)
        try again.store.close()
    }
}

/// Changes that meet a replacement of their file, or a disk that refuses them.
@Suite struct RefusedChangeTests {
    let folder: TemporaryFolder
    let disk: OpenStore
    let file = path("/a.txt")

    init() throws {
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
    }

    @Test func `a change that is refused as stale was not made, and one that was made is OK`()
        throws
    {
        for round in 0..<300 {
            try disk.put("old", at: file)
            let session = try disk.store.open(file, .readWrite, mode: nil)
            let reader = try disk.store.open(file, .read, mode: nil)
            let isReady = Flag()
            let code = Mutex<ErrorCode?>(nil)
            let (disk, file) = (disk, file)
            let replacement = try disk.store.beginReplacement(of: file, mode: nil)
            try replacement.write("new")
            let storing = Background {
                isReady.raise()
                _ = try replacement.commit(mtime: nil)
            }
            let writing = Background {
                while !isReady.isRaised {}
                // Until it is refused: the last one that is OK meets the replacement.
                var (count, last) = (0, ErrorCode?.none)
                while last == nil, count < 100_000 {
                    last = refusal { try session.write("\(count % 10)", at: 0) }
                    if last == nil { count += 1 }
                }
                let (end, made) = (last, count)
                code.withLock { $0 = end }
                let text = try reader.text()
                #expect(text == (made == 0 ? "old" : "\((made - 1) % 10)ld"))
            }
            storing.wait()
            writing.wait()

            #expect(code.withLock { $0 } == .staleFile, "round \(round)")
            #expect(try disk.get(file) == "new")
            // What was written with OK is lost with the file: its session is told.
            let hasWritten = try reader.text() != "old"
            #expect(refusal { _ = try session.close() } == (hasWritten ? .staleFile : nil))
        }
    }

    @Test func `a change that the full disk refused as a whole counts no version`() throws {
        let before = try disk.put("old", at: file).facts
        let (session, other) = (try open(), try open())

        let fault = try Fault(DFS_WRITE, ENOSPC, at: folder.path + "/a.txt")
        #expect(refusal { _ = try session.append("more") } == .noSpace)
        fault.disarm()

        #expect(try other.sync().ver == before.ver)
        #expect(try other.close().ver == before.ver)
        #expect(refusal { _ = try session.close() } == .io)
        #expect(try disk.store.entry(file).facts == before)
        #expect(disk.store.table.exports[0].marks.leftovers().isEmpty)
        disk.store.abandon()
        #expect(try OpenStore(folder).store.entry(file).facts == before)
    }

    @Test func `a change that was cut off again counts no version, whatever its time`() throws {
        let before = try disk.put("old", at: file).facts
        let session = try open()

        let fault = try Fault(DFS_WRITE, ENOSPC, at: folder.path + "/a.txt", passing: 1)
        #expect(refusal { _ = try session.append("more") } == .noSpace)
        fault.disarm()

        #expect(disk.wait { disk.store.log.generation == disk.store.log.ceiling })
        #expect(try disk.get(file) == "old")
        #expect(refusal { _ = try session.close() } == .io)
        #expect(try disk.store.entry(file).facts.ver == before.ver)
        disk.store.rescan()
        try disk.put("x", at: path("/b"))
        #expect(try disk.store.entry(file).facts.ver == before.ver)
    }

    @Test func `a change that is refused takes nothing from those before it`() throws {
        let before = try disk.put("old", at: file).facts
        let (session, other) = (try open(), try open())
        try other.write("O", at: 0)

        let fault = try Fault(DFS_WRITE, ENOSPC, at: folder.path + "/a.txt")
        #expect(refusal { _ = try session.append("more") } == .noSpace)
        fault.disarm()

        #expect(try other.close().ver == before.ver + 1)
        #expect(try disk.get(file) == "Old")
    }

    private func open() throws -> any OpenFile {
        try disk.store.open(file, .readWrite, mode: nil)
    }
}
