import CPosix
import Glibc
import Testing

@testable import DFSStorage

/// The file that writing marks and moving marks stand in.
@Suite struct SlotFileTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func slots(reserved: Int = 0) throws -> SlotFile {
        let descriptor = try Descriptor(
            withName([UInt8]((folder.path + "/slots").utf8)) {
                dfs_openat(AT_FDCWD, $0, O_RDWR | O_CREAT, 0o600)
            })
        return SlotFile(descriptor, slotBytes: 8, reservedBytes: reserved)
    }

    private func take(_ text: String, in slots: SlotFile) throws -> Int {
        try Array(text.utf8).withUnsafeBytes { try slots.take($0) }
    }

    private func texts(in slots: SlotFile) -> [String] {
        var texts: [String] = []
        slots.leftovers { texts.append(String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)) }
        return texts
    }

    @Test func `slots that were given back are used again, and the last run's can be read`() throws
    {
        let slots = try slots()
        let first = try take("11111111", in: slots)
        _ = try take("22222222", in: slots)
        slots.free(first)
        _ = try take("33333333", in: slots)

        #expect(try texts(in: self.slots()) == ["33333333", "22222222"])
        try Array("44444444".utf8).withUnsafeBytes { try slots.put($0, in: first) }
        #expect(try texts(in: self.slots()) == ["44444444", "22222222"])
        slots.reset()
        #expect(texts(in: slots) == [])
    }

    @Test func `a slot that can not be written is given back`() throws {
        let slots = try slots()
        _ = try take("11111111", in: slots)

        let fault = try Fault(DFS_WRITE, ENOSPC, at: folder.path + "/slots")
        #expect(throws: SystemError(ENOSPC)) { try take("22222222", in: slots) }
        fault.disarm()

        _ = try take("33333333", in: slots)
        #expect(texts(in: slots) == ["11111111", "33333333"])
    }

    @Test func `what is torn is left out, and room can be kept`() throws {
        let slots = try slots(reserved: 16)
        try folder.write("12345678abc", to: "slots")
        #expect(texts(in: slots) == ["12345678"])

        slots.reset()

        #expect(texts(in: slots) == ["", ""])
        let none = SlotFile(nil, slotBytes: 8)
        #expect(try take("11111111", in: none) == 0)
        #expect(texts(in: none) == [])
    }
}

/// Marks that a damaged file shows.
@Suite struct DamagedMarkTests {
    @Test(arguments: [(Int64.max, Int64(1)), (1 << 40, 1), (5, 6), (1, 2), (0, 1)])
    func `a mark raises the version beyond its own, unless it can not be true`(
        told: Int64, after: Int64
    ) throws {
        let folder = try TemporaryFolder()
        let disk = try OpenStore(folder)
        let before = try disk.put("x", at: path("/a")).facts
        _ = try disk.store.table.exports[0].marks.mark(before.fid, ver: told)
        disk.store.abandon()

        #expect(try OpenStore(folder).store.entry(path("/a")).facts.ver == after)
    }
}
