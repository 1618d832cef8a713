import DFSProtocol
import Testing

@testable import FileService

@Suite struct DeadlineHeapTests {
    private func time(_ milliseconds: Int64) -> MonotonicTime {
        MonotonicTime(nanoseconds: 0).advanced(milliseconds: milliseconds)
    }

    @Test func `entries leave in the order of their times, and of their keys within one`() {
        var heap = DeadlineHeap<Int>()
        var seed: UInt64 = 7
        var expected: [(Int64, Int)] = []
        for key in 0..<1_000 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1
            let at = Int64(seed >> 33) % 100
            heap.insert(key, at: time(at))
            expected.append((at, key))
        }
        expected.sort { $0 < $1 }

        #expect(heap.first == time(expected[0].0))
        var left: [Int] = []
        while let key = heap.removeFirst(until: time(100)) { left.append(key) }

        #expect(left == expected.map(\.1))
        #expect(heap.first == nil)
    }

    @Test func `nothing leaves before its time`() {
        var heap = DeadlineHeap<Int>()
        heap.insert(1, at: time(10))

        #expect(heap.removeFirst(until: time(9)) == nil)
        #expect(heap.removeFirst(until: time(10)) == 1)
        #expect(heap.removeFirst() == nil)
    }

    @Test func `what is not wanted any more is dropped and the rest keeps its order`() {
        var heap = DeadlineHeap<Int>()
        for key in 0..<100 { heap.insert(key, at: time(Int64(100 - key))) }

        heap.keep { $0 % 3 == 0 }

        #expect(heap.count == 34)
        var left: [Int] = []
        while let key = heap.removeFirst() { left.append(key) }
        #expect(left == stride(from: 99, through: 0, by: -3).map { $0 })
    }
}

@Suite struct LockTableTests {
    private let file = FileIdentity(device: 1, inode: 1)

    private func key(_ number: Int64) -> SessionKey { .leased(number) }

    @Test func `a table without locks keeps nothing`() {
        var locks = LockTable()
        #expect(locks.take(.exclusive, of: file, for: key(1)) == true)
        #expect(locks.take(.exclusive, of: FileIdentity(device: 1, inode: 2), for: key(2)) == true)
        #expect(locks.take(.shared, of: file, for: key(3)) == false)

        #expect(locks.leave(key(1), file).isEmpty)
        #expect(!locks.isEmpty)
        #expect(locks.leave(key(2), FileIdentity(device: 1, inode: 2)).isEmpty)
        #expect(locks.isEmpty)
        #expect(locks.leave(key(2), file).isEmpty)
    }

    @Test func `several shared ones that wait get the lock together`() {
        var locks = LockTable()
        #expect(locks.take(.exclusive, of: file, for: key(1)) == true)
        locks.wait(.shared, of: file, for: key(2))
        locks.wait(.shared, of: file, for: key(3))
        locks.wait(.exclusive, of: file, for: key(4))
        locks.wait(.shared, of: file, for: key(5))

        #expect(locks.leave(key(1), file) == [key(2), key(3)])
        #expect(locks.leave(key(2), file).isEmpty)
        #expect(locks.leave(key(3), file) == [key(4)])
        #expect(locks.holders(of: file).map(\.key) == [key(4)])
        #expect(locks.leave(key(4), file) == [key(5)])
    }

    @Test func `any of many leaves at once and the others keep their order`() {
        var locks = LockTable()
        for number: Int64 in 1...1_000 {
            #expect(locks.take(.shared, of: file, for: key(number)) == true)
        }
        locks.wait(.exclusive, of: file, for: key(2_000))
        for number: Int64 in 2_001...3_000 { locks.wait(.shared, of: file, for: key(number)) }

        for number: Int64 in 2_001...3_000 where number % 3 > 0 {
            #expect(locks.leave(key(number), file).isEmpty)
        }
        for number: Int64 in 2...1_000 { #expect(locks.leave(key(number), file).isEmpty) }

        #expect(locks.firstHolder(of: file)?.key == key(1))
        #expect(locks.leave(key(1), file) == [key(2_000)])
        let rest = stride(from: Int64(2_001), through: 3_000, by: 3).map { key($0) }
        #expect(locks.waiting(for: file) == rest)
        #expect(locks.leave(key(2_000), file) == rest)
        #expect(locks.holders(of: file).map(\.key) == rest)
    }

    @Test func `one that stops waiting lets those behind it pass`() {
        var locks = LockTable()
        #expect(locks.take(.shared, of: file, for: key(1)) == true)
        locks.wait(.exclusive, of: file, for: key(2))
        locks.wait(.shared, of: file, for: key(3))
        #expect(locks.take(.shared, of: file, for: key(4)) == false)

        #expect(locks.leave(key(2), file) == [key(3)])
        #expect(locks.waiting(for: file).isEmpty)
    }
}

@Suite struct DataPrintTests {
    @Test(
        arguments: [
            ("", 0xef46_db37_51d8_e999), ("a", 0xd24e_c4f1_a98c_6e5b),
            ("abc", 0x44bc_2cf5_ad77_0999),
            ("Nobody inspects the spammish repetition", 0xfbce_a83c_8a37_8bf1),
        ] as [(String, UInt64)])
    func `the print is XXH64`(text: String, expected: UInt64) {
        #expect([UInt8](text.utf8).withUnsafeBytes(DataPrint.of) == expected)
    }

    @Test func `every byte of data of every length counts`() {
        for count in 1..<100 {
            var bytes = [UInt8](repeating: 7, count: count)
            let before = bytes.withUnsafeBytes(DataPrint.of)
            for index in bytes.indices {
                bytes[index] ^= 1
                #expect(bytes.withUnsafeBytes(DataPrint.of) != before)
                bytes[index] ^= 1
            }
        }
    }
}

@Suite struct GlanceWindowTests {
    private func file(_ number: UInt64) -> FileIdentity { FileIdentity(device: 1, inode: number) }

    @Test func `only a change since the look began counts, and of its file`() {
        var window = GlanceWindow()
        window.begin(1)
        window.touch(file(1))
        window.begin(2)
        window.touch(file(2))

        #expect(window.end(2, read: file(1)) == false)
        #expect(window.end(1, read: file(1)) == true)
    }

    @Test func `where too many files change to remember them each look is repeated`() {
        var window = GlanceWindow()
        window.begin(1)
        for number in 0..<UInt64(10 * GlanceWindow.limit) { window.touch(file(number)) }
        #expect(window.count <= GlanceWindow.limit)
        window.begin(2)

        #expect(window.end(1, read: file(.max)) == true)
        #expect(window.end(2, read: file(.max)) == false)
        #expect(window.count == 0)
    }
}

@Suite struct SessionKeyTests {
    private let own = ConnectionID(number: 3)

    @Test(arguments: [
        ("h1", SessionKey.held(ConnectionID(number: 3), 1)), ("s1f", .leased(31)),
        ("s7fffffffffffffff", .leased(.max)),
    ])
    func `a handle is read as it is written`(handle: String, key: SessionKey) {
        #expect(SessionKey([UInt8](handle.utf8), on: own) == key)
        #expect(key.handle == [UInt8](handle.utf8))
    }

    @Test(arguments: ["", "h", "h01", "h-1", "s", "s0", "s1F", "s8000000000000000", "c3.h1", "t1"])
    func `what is no handle is none`(handle: String) {
        #expect(SessionKey([UInt8](handle.utf8), on: own) == nil)
    }

    @Test func `a handle of another connection is shown with it and read back`() {
        let key = SessionKey.held(ConnectionID(number: 7), 2)

        #expect(key.shown(on: own) == [UInt8]("c7.h2".utf8))
        #expect(key.shown(on: ConnectionID(number: 7)) == [UInt8]("h2".utf8))
        #expect(SessionKey(shown: [UInt8]("c7.h2".utf8), on: own) == key)
        #expect(SessionKey(shown: [UInt8]("h2".utf8), on: own) == .held(own, 2))
    }

    @Test func `handles of two epochs never meet`() {
        let first = SessionKey.firstLeased(epoch: 4)
        let next = SessionKey.firstLeased(epoch: 5)

        #expect(next - first == 1 << SessionKey.countBits)
        #expect(SessionKey.firstLeased(epoch: .max) > 0)
    }
}

@Suite struct SessionSizeTests {
    @Test func `sessions and remembered changes stay small, for there are many of them`() {
        #expect(MemoryLayout<FileSession>.stride <= 160)
        #expect(MemoryLayout<SessionKey>.stride <= 24)
        #expect(MemoryLayout<OperationMemory.Outcome>.stride <= 64)
    }
}

@Suite struct SessionEndingsTests {
    @Test func `no more endings are kept than the limit, those that end first go first`() {
        var endings = SessionEndings(limit: 2)
        let now = MonotonicTime(nanoseconds: 0)
        for number: Int64 in 1...3 {
            endings.note(
                .leased(number), .expired, until: now.advanced(milliseconds: 10 - number), at: now)
        }

        #expect(endings.count == 2)
        #expect(endings.ending(of: .leased(2), at: now) == nil)
        #expect(endings.ending(of: .leased(1), at: now) != nil)
        #expect(endings.ending(of: .leased(3), at: now) != nil)
    }

    @Test func `an ending that is over is not told and makes room`() {
        var endings = SessionEndings(limit: 9)
        let now = MonotonicTime(nanoseconds: 0)
        let later = now.advanced(milliseconds: 5)
        endings.note(.leased(1), .killed, until: later, at: now)

        #expect(endings.ending(of: .leased(1), at: later) == nil)
        endings.note(.leased(2), .killed, until: .max, at: later)
        #expect(endings.count == 1)
    }
}

extension MonotonicTime {
    fileprivate static let max = MonotonicTime(nanoseconds: .max)
}
