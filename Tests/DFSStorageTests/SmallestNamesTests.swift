import DFSProtocol
import Glibc
import Testing

@testable import DFSStorage

/// Pages of a listing, out of names in any order.
@Suite struct SmallestNamesTests {
    @Test(arguments: [1, 2, 7, 100, 200])
    func `the smallest names behind one are kept, as sorting would`(limit: Int) {
        var random = Steps(state: 88_172_645_463_325_252)
        let all = (0..<100).map { _ in
            [UInt8]((0..<3).map { _ in UInt8(random.next(4)) })
        }
        let after: [UInt8] = [0, 3]
        let expected = all.filter { after.lexicographicallyPrecedes($0) }
            .sorted { $0.lexicographicallyPrecedes($1) }

        var names = SmallestNames(after: after, limit: limit)
        for name in all { names.add(name[...]) }

        #expect(names.sorted == Array(expected.prefix(limit)))
        #expect(names.isCut == (expected.count > limit))
    }

    @Test(arguments: [1, 2, 5, 50])
    func `pages together are the whole listing, whatever is not served among it`(
        limit: Int
    ) throws {
        let folder = try TemporaryFolder()
        for number in 1000..<2000 {
            if number % 100 < 97 {
                symlink("nowhere", "\(folder.path)/n\(number)")
            } else {
                try folder.write("x", to: "n\(number)")
            }
        }
        let disk = try OpenStore(folder)
        var (found, last) = ([String](), [UInt8]?.none)
        while true {
            let page = try disk.store.list(.root, after: last, limit: limit)
            found += page.entries.map { String(decoding: $0.path.name, as: UTF8.self) }
            #expect(page.entries.count == limit || !page.hasMore)
            last = page.entries.last.map { Array($0.path.name) }
            if !page.hasMore { break }
        }

        #expect(found == (1000..<2000).filter { $0 % 100 >= 97 }.map { "n\($0)" })
    }

    @Test func `a page keeps no more names than it needs`() {
        var names = SmallestNames(after: nil, limit: 3)

        for number in (0..<1000).reversed() { names.add([UInt8](String(number).utf8)[...]) }

        #expect(names.sorted == ["0", "1", "10"].map { [UInt8]($0.utf8) })
    }
}
