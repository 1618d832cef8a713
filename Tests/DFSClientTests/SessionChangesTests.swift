import Testing

@testable import DFSClient

/// What counts as brought to the disk, and what may be lost with a session.
@Suite struct SessionChangesTests {
    @Test func `a change is unsynced from its end until a SYNC that was sent after it`() {
        var changes = SessionChanges()
        #expect(!changes.isDirty)

        let first = changes.begin()
        let early = changes.mark
        changes.end(first, mayBeThere: true, bytes: 5)
        changes.sync(early)
        #expect(changes.isDirty)
        #expect(changes.unsyncedBytes == 5)

        changes.sync(changes.mark)
        #expect(!changes.isDirty)
        #expect(changes.unsyncedBytes == 0)
    }

    @Test func `a change that was surely not made leaves nothing to be synced`() {
        var changes = SessionChanges()
        let refused = changes.begin()
        #expect(changes.isDirty)
        #expect(!changes.hasUnsynced)

        changes.end(refused, mayBeThere: false, bytes: 5)

        #expect(!changes.isDirty)
    }

    @Test func `answers to SYNC in the wrong order take nothing back`() {
        var changes = SessionChanges()
        let old = changes.mark
        changes.end(changes.begin(), mayBeThere: true, bytes: 1)
        let new = changes.mark

        changes.sync(new)
        changes.sync(old)

        #expect(!changes.isDirty)
    }

    @Test func `a change is alone where no other one overlapped with it`() {
        var changes = SessionChanges()
        let first = changes.begin()
        #expect(changes.isAlone(first))
        let second = changes.begin()
        #expect(!changes.isAlone(first))
        changes.end(first, mayBeThere: true, bytes: 1)
        #expect(!changes.isAlone(second))
        changes.end(second, mayBeThere: true, bytes: 1)
        let third = changes.begin()
        #expect(changes.isAlone(third))
    }
}
