import DFSProtocol
import FileService
import Glibc
import Testing

@testable import DFSStorage

/// Identities and versions over random sequences of changes, restarts, kills and edits by others.
@Suite struct IdentityPropertyTests {
    @Test(arguments: 1...6)
    func `an identity never comes again and a version never goes back or stands for two contents`(
        seed: UInt64
    ) throws {
        var world = try World(seed)
        for step in 0..<90 {
            try world.step()
            try world.observe("seed \(seed) step \(step): \(world.last)")
        }
        #expect(world.observed > 90)
    }
}

/// Four names in one export, what was done to them and everything that was ever told of them.
private struct World {
    struct Told: Hashable {
        let fid: Int64
        let ver: Int64
    }

    private struct Session {
        let file: any OpenFile
        let fid: Int64
    }

    private let names = [path("/a"), path("/b"), path("/d/a"), path("/d/b")]
    private let folder: TemporaryFolder
    private var disk: OpenStore
    private var random: Steps
    private var sessions: [Session] = []
    /// Sessions of a killed server: letting go of them here would write into the next one's marks.
    private var killed: [Session] = []
    /// Files that sessions changed since a version was counted.
    private var dirty: Set<Int64> = []
    private var gone: Set<Int64> = []
    private var contents: [Told: String] = [:]
    private var newest: [Int64: Int64] = [:]
    private var count = 0
    private(set) var observed = 0
    private(set) var last = ""

    init(_ seed: UInt64) throws {
        random = Steps(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
        mkdir(folder.path + "/d", 0o755)
    }

    /// A text that no file had before, of another length than the one before it.
    private mutating func text() -> String {
        count += 1
        return "\(count)" + String(repeating: "x", count: count % 31)
    }

    private func facts(_ name: TreePath) -> FileFacts? {
        // A name that is not there has no facts.
        try? disk.store.entry(name).facts
    }

    private func onDisk(_ name: TreePath) -> String { String(decoding: name.bytes, as: UTF8.self) }

    mutating func step() throws {
        let name = names[random.next(names.count)]
        let other = names[random.next(names.count)]
        let choice = random.next(12)
        last = "\(choice) \(onDisk(name)) \(onDisk(other))"
        switch choice {
        case 0, 1: try store(name)
        case 2, 3: try change(name)
        case 4: try settleOne()
        case 5: if facts(name) != nil { try folder.write(text(), to: onDisk(name)) }
        case 6: try replaceOutside(name)
        case 7: try remove(name)
        case 8: try move(name, to: other)
        case 9: moveOutside(name, to: other)
        case 10: try restart()
        default: try kill()
        }
    }

    private mutating func store(_ name: TreePath) throws {
        let before = facts(name)
        let after = try disk.put(text(), at: name).facts
        if let before {
            #expect(after.fid == before.fid, "\(last)")
            #expect(after.ver == before.ver + 1, "\(last)")
        } else {
            #expect(newest[after.fid] == nil, "\(last)")
        }
        dirty.remove(after.fid)
    }

    private mutating func change(_ name: TreePath) throws {
        let file = try disk.store.open(name, .create, mode: nil)
        let fid = try file.facts().fid
        try file.write(text(), at: Int64(random.next(3)))
        sessions.append(Session(file: file, fid: fid))
        dirty.insert(fid)
        if sessions.count > 3 { try settleOne() }
    }

    /// Syncs or closes a session; a file that was replaced or removed under it says so.
    private mutating func settleOne() throws {
        guard !sessions.isEmpty else { return }
        let index = random.next(sessions.count)
        let session = sessions[index]
        let wasStale = session.file.isStale
        let code = refusal {
            if random.next(2) == 0 { _ = try session.file.sync() }
            _ = try session.file.close()
        }
        #expect(code == nil || (code == .staleFile && wasStale), "\(last)")
        if code == nil, !wasStale { dirty.remove(session.fid) }
        sessions.remove(at: index)
    }

    private mutating func replaceOutside(_ name: TreePath) throws {
        guard let before = facts(name) else { return }
        try folder.write(text(), to: "outside")
        #expect(rename(folder.path + "/outside", folder.path + onDisk(name)) == 0)
        dirty.remove(before.fid)
    }

    private mutating func remove(_ name: TreePath) throws {
        let before = facts(name)
        if random.next(2) == 0 {
            try disk.store.remove(name, recursive: false)
        } else {
            unlink(folder.path + onDisk(name))
            #expect(facts(name) == nil, "\(last)")
        }
        if let before { gone.insert(before.fid) }
    }

    private mutating func move(_ name: TreePath, to other: TreePath) throws {
        guard name != other, let before = facts(name) else { return }
        let replaced = facts(other)
        try disk.store.rename(name, to: other)
        #expect(facts(other)?.fid == before.fid, "\(last)")
        #expect(facts(other)?.ver == before.ver, "\(last)")
        if let replaced { gone.insert(replaced.fid) }
    }

    /// Whether the identity follows depends on who looks first; either is told consistently.
    private mutating func moveOutside(_ name: TreePath, to other: TreePath) {
        guard name != other, let before = facts(name), !dirty.contains(before.fid),
            facts(other).map({ !dirty.contains($0.fid) }) ?? true
        else { return }
        #expect(rename(folder.path + onDisk(name), folder.path + onDisk(other)) == 0)
    }

    private mutating func restart() throws {
        while !sessions.isEmpty { try settleOne() }
        let before = names.map { facts($0) }
        try disk.store.close()
        disk = try OpenStore(folder)
        #expect(names.map { facts($0) } == before, "\(last)")
    }

    private mutating func kill() throws {
        let before = names.map { facts($0) }
        disk.store.abandon()
        killed += sessions
        sessions = []
        disk = try OpenStore(folder)
        for (name, old) in zip(names, before) {
            let now = facts(name)
            #expect(now?.fid == old?.fid, "\(last)")
            // Changes that nothing counted are counted, once; everything else is as it was.
            guard let now, let old else { continue }
            #expect(now.ver == old.ver + (dirty.contains(old.fid) ? 1 : 0), "\(last)")
        }
        dirty = []
    }

    /// Looks at all names: each identity and version stands for one content for ever.
    mutating func observe(_ place: String) throws {
        for name in names {
            guard let facts = facts(name) else { continue }
            observed += 1
            #expect(!gone.contains(facts.fid), "\(place): an identity that was gone")
            #expect(facts.ver >= newest[facts.fid] ?? 0, "\(place): a version went back")
            newest[facts.fid] = facts.ver
            if dirty.contains(facts.fid) { continue }
            let text = try #require(folder.read(onDisk(name)), "\(place)")
            let told = Told(fid: facts.fid, ver: facts.ver)
            #expect(contents[told] ?? text == text, "\(place): one version, two contents")
            contents[told] = text
        }
    }
}
