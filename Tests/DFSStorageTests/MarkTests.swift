import DFSProtocol
import FileService
import Glibc
import Testing

@testable import DFSStorage

/// Marks of files that are being written, as a run that is killed at any moment leaves them.
@Suite struct MarkTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func `a mark stands from the moment in which a change may be made`() throws {
        try folder.write("", to: "marks")
        let marks = WritingMarks(
            try Descriptor(open(folder.path + "/marks", O_RDWR | O_CLOEXEC)))
        let file = LiveFile(
            7, at: 1, FileIdentity(device: 1, inode: 1), ver: 3, marks, try FileWatches())
        let isOver = Flag()
        // What every CLOSE does, also that of a FETCH.
        let closing = Background { while !isOver.isRaised { file.settleMark() } }

        var unmarked = 0
        for _ in 0..<50_000 {
            _ = try file.beginChange()
            if marks.leftovers().isEmpty { unmarked += 1 }
            let change = file.endChange()
            file.count(upTo: change, as: 3)
            file.noteKept(upTo: change)
            file.settleMark()
        }
        isOver.raise()
        closing.wait()

        #expect(unmarked == 0)
        #expect(marks.leftovers().isEmpty)
    }

    @Test func `a mark names the version that was told of what others wrote`() throws {
        let disk = try OpenStore(folder)
        try disk.put("one", at: path("/a"))
        let session = try disk.store.open(path("/a"), .readWrite, mode: nil)
        try folder.write("three", to: "a")
        let told = try disk.store.entry(path("/a")).facts
        #expect(told.size == 5)

        try session.write("O", at: 0)

        let marks = disk.store.table.exports[0].marks.leftovers()
        #expect(marks.map(\.fid) == [told.fid])
        #expect(marks.map(\.ver) == [told.ver])
    }
}
