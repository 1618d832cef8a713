import CPosix
import DFSProtocol
import FileService
import Glibc
import Synchronization
import Testing

@testable import DFSStorage

/// Files that are put in place together.
@Suite struct StoreRoundsTests {
    let folder: TemporaryFolder
    let disk: OpenStore
    let log = AnswerLog()

    init() throws {
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
        for name in ["d", "e"] { try disk.put("x", at: path("/\(name)/before")) }
    }

    /// What each of several files was answered.
    final class AnswerLog: Sendable {
        private let answers = Mutex<[String: Result<FileEntry, RequestError>]>([:])
        private let signal = ChangeSignal()
        let isOpen = Flag()
        let isHeld = Flag()

        func note(_ name: String, _ answer: Result<FileEntry, RequestError>) {
            answers.withLock { answers in
                #expect(answers[name] == nil, "two answers")
                answers[name] = answer
            }
            signal.signal()
        }

        /// Keeps the round from going on until the log is opened.
        func hold() {
            isHeld.raise()
            signal.signal()
            #expect(signal.wait { isOpen.isRaised })
        }

        func waitUntilHeld() -> Bool { signal.wait { isHeld.isRaised } }

        func open() {
            isOpen.raise()
            signal.signal()
        }

        func wait(for count: Int) -> Bool { signal.wait { answers.withLock { $0.count } == count } }

        /// The code of each refusal, `ok` for the others, in the order of names.
        var codes: [String] {
            answers.withLock { answers in
                answers.keys.sorted().map { name in
                    switch answers[name] {
                    case .failure(let error): "\(name) \(error.code.rawValue)"
                    default: "\(name) ok"
                    }
                }
            }
        }
    }

    /// Holds the thread of the rounds, so that what is begun until `log.open` comes in one.
    private func hold() throws {
        let first = try disk.store.beginReplacement(of: path("/first"), mode: nil)
        first.commit(mtime: nil, ifVersion: nil) { [log] _ in log.hold() }
        #expect(log.waitUntilHeld())
    }

    /// Begins to store a file.
    ///
    /// - Returns: Where it stands for now.
    @discardableResult
    private func begin(
        _ name: String, _ text: String = "new", ifVersion version: Int64? = nil,
        as key: String? = nil
    ) throws -> String {
        let target = path("/\(name)")
        let below = String(name.split(separator: "/").dropLast().joined(separator: "/"))
        let before = Set(folder.entries(below))
        let replacement = try disk.store.beginReplacement(of: target, mode: nil)
        let temporary = try #require(Set(folder.entries(below)).subtracting(before).first)
        try replacement.write(text)
        replacement.commit(mtime: nil, ifVersion: version) { [log] in log.note(key ?? name, $0) }
        return "\(folder.path)/\(below)/\(temporary)"
    }

    private var leftovers: [String] {
        ["", "d", "e"].flatMap { folder.entries($0) }.filter { $0.hasPrefix(".dfs-tmp-") }
    }

    @Test func `files of several directories are put in place by one round, and all are whole`()
        throws
    {
        try hold()
        let names = (0..<40).map { "\($0 % 2 == 0 ? "d" : "e")/\($0)" }
        for name in names { try begin(name, name) }
        #expect(folder.entries("d").filter { !$0.hasPrefix(".") } == ["before"])
        log.open()

        #expect(log.wait(for: 40))
        #expect(log.codes.allSatisfy { $0.hasSuffix("ok") })
        for name in names { #expect(folder.read(name) == name) }
        #expect(leftovers == [])
        disk.store.abandon()
        let again = try OpenStore(folder)
        for name in names { #expect(try again.store.entry(path("/\(name)")).facts.ver == 1) }
    }

    @Test(arguments: [false, true])
    func `each file hears of its own contents' failure and of no other`(isWholeFailing: Bool) throws
    {
        try disk.put("old", at: path("/d/b"))
        try hold()
        var faults: [Fault] = []
        for name in ["d/a", "d/b", "e/c"] {
            let temporary = try begin(name)
            if name == "d/b" { faults.append(try Fault(DFS_SYNC, EIO, at: temporary)) }
            if isWholeFailing { faults.append(try Fault(DFS_SYNC_ALL, EIO, at: temporary)) }
        }
        log.open()

        #expect(log.wait(for: 3))
        #expect(log.codes == ["d/a ok", "d/b io", "e/c ok"])
        #expect(folder.read("d/b") == "old")
        #expect(try !disk.store.entry(path("/d/b")).facts.isUnverified)
        #expect(leftovers == [])
        for fault in faults { fault.disarm() }
    }

    @Test func `each file hears of its own directory's failure and of no other`() throws {
        try hold()
        for name in ["d/a", "d/b", "e/c"] { try begin(name) }
        let fault = try Fault(DFS_SYNC, EIO, at: folder.path + "/d")
        log.open()

        #expect(log.wait(for: 3))
        #expect(log.codes == ["d/a io", "d/b io", "e/c ok"])
        // The names stand, in doubt.
        #expect(try disk.store.entry(path("/d/a")).facts.isUnverified)
        #expect(try !disk.store.entry(path("/e/c")).facts.isUnverified)
        fault.disarm()
    }

    @Test func `one of those that replace the same version wins, and the others are told`() throws {
        let before = try disk.put("old", at: path("/d/a")).facts
        try hold()
        for key in ["1", "2", "3"] {
            try begin("d/a", "by \(key)", ifVersion: before.ver, as: key)
        }
        log.open()

        #expect(log.wait(for: 3))
        #expect(log.codes == ["1 ok", "2 conflict", "3 conflict"])
        #expect(folder.read("d/a") == "by 1")
        #expect(leftovers == [])
    }

    @Test func `a store that ends answers for all that was begun, and takes nothing more`() throws {
        try hold()
        for name in ["d/a", "e/b"] { try begin(name) }
        let late = try disk.store.beginReplacement(of: path("/d/late"), mode: nil)
        let (disk, log) = (disk, log)
        let ending = Background { try disk.store.close() }
        log.open()
        ending.wait()

        #expect(log.codes == ["d/a ok", "e/b ok"])
        #expect(refusal { _ = try late.commit(mtime: nil) } == .io)
        #expect(folder.entries("d") == ["a", "before"])
    }
}
