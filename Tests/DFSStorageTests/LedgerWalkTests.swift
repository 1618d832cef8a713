import DFSProtocol
import FileService
import Glibc
import Testing

@testable import DFSStorage

/// An inventory, whose large directories are put into order outside of the ledger's lock.
@Suite struct LedgerWalkTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        for number in 0..<300 { try folder.write("x", to: "f\(number)") }
        for number in 0..<3 {
            _ = folder.folder("d\(number)/e")
            try folder.write("x", to: "d\(number)/e/x")
            try folder.write("x", to: "d\(number)/f")
        }
        _ = folder.folder("f2-large")
        for number in 0..<300 { try folder.write("x", to: "f2-large/\(number)") }
    }

    @Test(arguments: [1, 7, 256, 10_000])
    func `pages of an inventory are its whole order`(page: Int) throws {
        let disk = try OpenStore(folder)
        let whole = try disk.inventory(page: 10_000).map(\.path)

        let paths = try disk.inventory(page: page).map(\.path)

        let parts = paths.map { $0.bytes.split(separator: TreePath.slash).map { Array($0) } }
        #expect(
            zip(parts, parts.dropFirst()).allSatisfy { left, right in
                left.lexicographicallyPrecedes(right) { $0.lexicographicallyPrecedes($1) }
            })
        #expect(paths.count == 300 + 3 * 4 + 1 + 300)
        #expect(paths == whole)
    }

    @Test func `a page goes on behind a name that is gone, whoever asked for another meanwhile`()
        throws
    {
        let disk = try OpenStore(folder)
        let whole = try disk.inventory(page: 10_000).map(\.path)
        let next = try #require(whole.first { $0 > path("/f2-large/1") })

        let page = try disk.store.inventory(after: path("/f2-large/1-gone"), limit: 1)
        let first = try disk.store.inventory(after: nil, limit: 2)
        let again = try disk.store.inventory(after: path("/f2-large/1-gone"), limit: 1)

        #expect(page.reports.map(\.path) == [path("/f2-large/10")])
        #expect(next == path("/f2-large/10"))
        #expect(first.reports.map(\.path) == [path("/d0"), path("/d0/e")])
        #expect(again.reports.map(\.path) == [path("/f2-large/10")])
    }

    @Test
    func `an inventory that is cut by its bytes goes on where it was, with what it has copied`()
        throws
    {
        let name = String(repeating: "x", count: 200)
        for number in 0..<2_000 { try folder.write("", to: "long-\(1000 + number)-\(name)") }
        let disk = try OpenStore(folder)
        let whole = try disk.inventory(page: 10_000).map(\.path)
        var batch = try ReportBatch.load(.inventory(after: nil), from: disk.store)
        let first = try #require(batch)
        #expect(first.count < 2_000 && first.next != nil, "it is the size that has ended it")

        // Behind the end of the batch: told as a change, as long as no directory is read anew.
        try disk.put("x", at: path("/long-2999-z"))
        var text = String(decoding: first.data, as: UTF8.self)
        while let next = batch?.next {
            batch = try ReportBatch.load(.inventory(after: next), from: disk.store)
            text += String(decoding: batch?.data ?? [], as: UTF8.self)
        }

        let told = text.split(separator: "\n").map { $0.split(separator: " ")[1] }
        #expect(told.count == whole.count)
        #expect(!told.contains { $0.contains("long-2999-z") })
    }

    @Test func `what was removed since it was copied is not told any more`() throws {
        let disk = try OpenStore(folder)
        let copied = try disk.store.inventory(after: nil, limit: 40).reports.map(\.path)
        try disk.store.remove(copied[20], recursive: false)
        try disk.store.rename(copied[21], to: path("/zzz"), replacing: false)

        let rest = try disk.store.inventory(after: copied[9], limit: 29).reports.map(\.path)

        #expect(Array(rest.prefix(28)) == Array(copied[10..<20] + copied[22...]))
    }

    @Test func `another name at the same place is not told where the old one was`() throws {
        let disk = try OpenStore(folder)
        let ledger = disk.store.table.exports[0].ledger
        func place(_ name: String) -> NodeID? {
            ledger.state.withLock { $0.tree.find([ArraySlice(name.utf8)]) }
        }
        var walk = ledger.state.withLock { $0.walk(after: []) }
        walk.sort()
        let old = try #require(place("f150"))
        try disk.store.remove(path("/f150"), recursive: false)
        try disk.put("x", at: path("/zzz"))
        try #require(place("zzz") == old)

        let paths = ledger.state.withLock { state -> [TreePath] in
            var (paths, rest) = ([TreePath](), walk)
            while !rest.isAtEnd {
                rest.sort()
                paths += state.take(10_000, from: &rest).map(\.path)
            }
            return paths
        }

        #expect(paths.count == 300 + 3 * 4 + 1 + 300 - 1)
        #expect(!paths.contains(path("/zzz")), "it is told as a change")
    }

    @Test func `a large directory is not sorted in the ledger's lock`() throws {
        let disk = try OpenStore(folder)
        let ledger = disk.store.table.exports[0].ledger

        let locked = ledger.state.withLock { state -> (count: Int, walk: LedgerWalk) in
            var walk = state.walk(after: [])
            let reports = state.take(10, from: &walk)
            return (reports.count, walk)
        }
        var walk = locked.walk
        walk.sort()
        let sorted = ledger.state.withLock { state in
            var walk = walk
            return state.take(10, from: &walk).count
        }

        #expect(locked.count == 0)
        #expect(sorted == 10)
    }
}
