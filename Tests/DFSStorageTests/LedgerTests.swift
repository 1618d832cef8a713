import DFSProtocol
import FileService
import Synchronization
import Testing

@testable import DFSStorage

@Suite struct LedgerTreeTests {
    /// Repeats the same steps on a tree and on plain dictionaries.
    @Test(arguments: 0..<5)
    func `a tree finds what a dictionary finds`(seed: UInt64) {
        var random = Steps(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
        var tree = LedgerTree()
        var model: [NodeID: [String: NodeID]] = [0: [:]]
        var parents: [NodeID: NodeID] = [:]
        func names() -> Int { model.values.reduce(0) { $0 + $1.count } }

        for step in 0..<4000 {
            let folders = model.keys.sorted()
            let folder = folders[random.next(folders.count)]
            let name = "n\(random.next(40))"
            switch (random.next(4), model[folder]?[name]) {
            case (0...2, nil):
                var node = LedgerNode()
                node.kind = random.next(4) == 0 ? .directory : .file
                node.fid = Int64(step)
                let id = tree.add(node, named: Array(name.utf8), in: folder)
                model[folder]?[name] = id
                parents[id] = folder
                if node.kind == .directory { model[id] = [:] }
            case (3, let id?) where model[id]?.isEmpty ?? true:
                tree.remove(id)
                model[folder]?[name] = nil
                model[id] = nil
            case (_, let id?) where model[id] == nil:
                let target = folders[random.next(folders.count)]
                guard model[target]?["moved\(step)"] == nil else { continue }
                tree.move(id, to: target, named: Array("moved\(step)".utf8))
                model[folder]?[name] = nil
                model[target]?["moved\(step)"] = id
            default: continue
            }
        }

        for (folder, entries) in model {
            #expect(Set(tree.children(of: folder)) == Set(entries.values))
            for (name, id) in entries {
                #expect(tree.child(of: folder, named: Array(name.utf8)) == id)
                #expect(Array(tree.name(of: id)) == Array(name.utf8))
            }
            #expect(tree.child(of: folder, named: Array("absent".utf8)) == nil)
        }
        #expect(tree.files + tree.directories == names() + 1)
    }

    @Test func `a place lies within itself and what is above it, and in nothing else`() {
        var tree = LedgerTree()
        var node = LedgerNode()
        node.kind = .directory
        let a = tree.add(node, named: [0x61], in: LedgerTree.top)
        let b = tree.add(node, named: [0x62], in: a)
        let c = tree.add(node, named: [0x63], in: LedgerTree.top)

        #expect(tree.isWithin(b, a) && tree.isWithin(b, b) && tree.isWithin(b, LedgerTree.top))
        #expect(!tree.isWithin(a, b) && !tree.isWithin(b, c))
    }

    @Test func `names that come and go are kept apart in the arena, and room is used again`() {
        var tree = LedgerTree()
        var node = LedgerNode()
        node.kind = .file
        var ids: [NodeID] = []
        func name(_ number: Int, _ round: Int) -> [UInt8] {
            [UInt8](repeating: UInt8(0x61 + round), count: 1 + number % 255)
                + [UInt8](String(number).utf8)
        }
        for number in 0..<200 { ids.append(tree.add(node, named: name(number, 0), in: 0)) }

        // Some thousand names of each kind: the arena is gathered several times.
        for round in 1...200 {
            for (number, id) in ids.enumerated() {
                tree.move(id, to: LedgerTree.top, named: name(number, round % 20))
            }
        }

        for (number, id) in ids.enumerated() {
            #expect(Array(tree.name(of: id)) == name(number, 0))
            #expect(Int(tree[id].nameOffset) * LedgerTree.nameUnit < 4 << 20)
        }
    }

    @Test func `a node takes 88 bytes, so that a million files fit in little memory`() {
        #expect(MemoryLayout<LedgerNode>.stride <= 88)
    }
}

/// Numbers that are the same in each run.
struct Steps {
    var state: UInt64

    mutating func next(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(bound))
    }
}

@Suite struct ChangeLogTests {
    private func gone(_ number: Int) -> FileReport { .gone(path("/\(number)")) }

    @Test func `changes are told in order, and only when the disk has them`() {
        let log = ChangeLog(after: 100, exports: 2)
        log.append(gone(1), export: 0, sequence: 1)
        log.append(gone(2), export: 1, sequence: 1)
        log.append(gone(3), export: 0, sequence: 2)

        log.advance(export: 0, to: 2)
        let first = log.changes(after: 100, limit: 10)
        log.advance(export: 1, to: 1)
        let second = log.changes(after: 100, limit: 10)

        #expect(first?.map(\.generation) == [101, 102])
        #expect(second?.map(\.generation) == [101, 102, 103])
        #expect(second?.map(\.report) == [gone(1), gone(3), gone(2)])
        #expect(log.changes(after: 101, limit: 1)?.map(\.generation) == [102])
        #expect(log.changes(after: 103, limit: 1)?.count == 0)
    }

    @Test func `an export whose ledger is not written keeps back its own changes only`() {
        let log = ChangeLog(after: 0, exports: 2)
        let called = Atomic(0)
        log.whenChanged { called.add(1, ordering: .relaxed) }
        for number in 0..<10 { log.append(gone(number), export: 1, sequence: Int64(number)) }
        log.append(gone(10), export: 0, sequence: 1)

        log.advance(export: 0, to: 1)

        #expect(log.generation == 1)
        #expect(called.load(ordering: .relaxed) == 1)
        #expect(log.changes(after: 0, limit: 20)?.map(\.report) == [gone(10)])
        #expect(log.ceiling == 11, "what a ledger keeps is never below what is told")
    }

    @Test func `what an export has dropped is told by an inventory, and what came later is not`() {
        let log = ChangeLog(after: 0, exports: 2)
        let count = 2 * ChangeLog.kept + 10
        log.append(gone(0), export: 0, sequence: 1)
        log.advance(export: 0, to: 1)
        for number in 0..<count { log.append(gone(number), export: 1, sequence: Int64(number)) }
        #expect(log.changes(after: 1, limit: 1)?.count == 0, "the other one goes on")
        log.advance(export: 1, to: 5)
        #expect(log.generation == 1)

        log.advance(export: 1, to: Int64(count))

        #expect(log.generation == Int64(count) + 1)
        #expect(log.generation == log.ceiling)
        #expect(log.changes(after: 1, limit: 1).map { $0.count } == nil)
        #expect(log.changes(after: Int64(count) - 4, limit: 10)?.count == 5)
    }

    @Test(arguments: [Int64(0), 99, 101, .max])
    func `what history does not reach is nil`(generation: Int64) {
        let log = ChangeLog(after: 100, exports: 1)

        #expect(log.changes(after: generation, limit: 10).map { $0.count } == nil)
        #expect(log.changes(after: 100, limit: 10)?.count == 0)
    }

    @Test func `history is bounded, and its end is still told`() {
        let log = ChangeLog(after: 0, exports: 1)
        let count = 2 * ChangeLog.kept + 10

        for number in 0..<count { log.append(gone(number), export: 0, sequence: Int64(number)) }
        log.advance(export: 0, to: Int64(count))

        #expect(log.generation == Int64(count))
        #expect(log.changes(after: 0, limit: 10).map { $0.count } == nil)
        #expect(log.changes(after: Int64(count) - 5, limit: 10)?.count == 5)
    }
}

@Suite struct LedgerRestoreTests {
    private func node(_ kind: LedgerNode.Kind, in parent: NodeID) -> LedgerNode {
        var node = LedgerNode()
        node.kind = kind
        node.parent = parent
        return node
    }

    @Test func `rows are linked whatever the order of directories and contents`() {
        var tree = LedgerTree()
        tree.restore(node(.file, in: 4), named: Array("f".utf8), at: 2)
        tree.restore(node(.directory, in: 0), named: Array("d".utf8), at: 4)

        let lost = tree.link()

        #expect(lost == [])
        #expect(tree.find([Array("d".utf8)[...], Array("f".utf8)[...]]) == 2)
        #expect(tree.files == 1)
        #expect(tree.directories == 2)
        #expect(tree.add(node(.file, in: 0), named: Array("g".utf8), in: 0) == 3)
    }

    @Test func `rows that contradict each other are forgotten`() {
        var tree = LedgerTree()
        tree.restore(node(.file, in: 0), named: Array("f".utf8), at: 1)
        tree.restore(node(.file, in: 0), named: Array("f".utf8), at: 2)
        tree.restore(node(.file, in: 1), named: Array("g".utf8), at: 3)
        tree.restore(node(.file, in: 99), named: Array("h".utf8), at: 4)
        tree.restore(node(.directory, in: 5), named: Array("i".utf8), at: 5)

        let lost = tree.link()

        #expect(lost == [2, 3, 4, 5])
        #expect(tree.files == 1)
    }

    @Test func `directories that hold each other are forgotten, with what is in them`() {
        var tree = LedgerTree()
        tree.restore(node(.directory, in: 2), named: Array("a".utf8), at: 1)
        tree.restore(node(.directory, in: 1), named: Array("b".utf8), at: 2)
        tree.restore(node(.file, in: 2), named: Array("f".utf8), at: 3)
        tree.restore(node(.file, in: 0), named: Array("kept".utf8), at: 4)

        let lost = tree.link()

        #expect(lost == [1, 2, 3])
        #expect((tree.files, tree.directories) == (1, 1))
        #expect(tree.child(of: 1, named: Array("b".utf8)) == nil)
        #expect(tree.find([Array("kept".utf8)[...]]) == 4)
    }

    @Test func `what is in a directory that is forgotten is forgotten with it`() {
        var tree = LedgerTree()
        tree.restore(node(.file, in: 3), named: Array("f".utf8), at: 1)
        tree.restore(node(.file, in: 0), named: Array("d".utf8), at: 2)
        tree.restore(node(.directory, in: 0), named: Array("d".utf8), at: 3)

        #expect(tree.link() == [3, 1])
        #expect((tree.files, tree.directories) == (1, 1))
    }

    @Test(arguments: [
        LedgerHeader(opening: .max), LedgerHeader(opening: 1 << 31), LedgerHeader(opening: -1),
        LedgerHeader(generation: .max), LedgerHeader(generation: -1),
    ])
    func `a header that leaves no room to count is damage, and told as such`(
        header: LedgerHeader
    ) throws {
        let folder = try TemporaryFolder()
        let database = try LedgerDatabase(at: folder.path + "/ledger")

        try database.commit([], forgetting: [], header)

        #expect(damage(in: database)?.contains("the ledger is damaged (header)") == true)
    }

    @Test(arguments: [
        (Int64.max, Int64(1)), (Int64(1), Int64.max), (Int64(-1), Int64(1)),
        (Int64(1), Int64(-1)), (Int64(3) << 61, Int64(1)),
    ])
    func `a row that leaves no room to count is damage, and told as such`(
        fid: Int64, ver: Int64
    ) throws {
        let folder = try TemporaryFolder()
        let database = try LedgerDatabase(at: folder.path + "/ledger")
        var file = node(.file, in: 0)
        (file.fid, file.ver) = (fid, ver)

        try database.commit(
            [LedgerRow(id: 1, name: [0x61], node: file)], forgetting: [], LedgerHeader())

        #expect(damage(in: database)?.contains("the ledger is damaged (row 1)") == true)
    }

    private func damage(in database: LedgerDatabase) -> String? {
        do {
            _ = try database.load { _ in }
            return nil
        } catch {
            return "\(error)"
        }
    }
}
