import Testing

@Suite struct `What a client knows of a version` {
    /// Opened in version 3, and one change acknowledged.
    private var changed: ToldVersion {
        var version = ToldVersion()
        _ = version.opened(as: 3, isRestarted: false)
        version.changed()
        return version
    }

    @Test func `rises by one at CLOSE or SYNC after changes, and by none without`() {
        for ver: Int64 in 2...6 {
            var version = changed
            #expect((version.counted(as: ver) == nil) == (ver == 4))
        }
        var version = changed
        #expect(version.counted(as: 4) == nil)
        #expect(version.counted(as: 4) == nil)
        #expect(version.counted(as: 5) != nil)
    }

    @Test func `must not come again after a kill with changes that were acknowledged`() {
        var version = changed
        version.ended(mayHaveChanged: false)
        var same = version

        #expect(version.opened(as: 4, isRestarted: true) == nil)
        #expect(same.opened(as: 3, isRestarted: true) != nil)
        #expect(version.opened(as: 4, isRestarted: true) == nil)
        #expect(version.opened(as: 3, isRestarted: true) != nil)
    }

    @Test func `may rise or not when a change was not answered`() {
        for ver: Int64 in 2...5 {
            var version = ToldVersion()
            _ = version.opened(as: 3, isRestarted: false)
            version.ended(mayHaveChanged: true)
            #expect((version.opened(as: ver, isRestarted: true) == nil) == (3...4).contains(ver))
        }
        var version = ToldVersion()
        _ = version.opened(as: 3, isRestarted: false)
        version.ended(mayHaveChanged: true)
        version.found()
        #expect(version.opened(as: 3, isRestarted: true) != nil)
    }

    @Test func `may be counted late when a session ended with its connection`() {
        var version = changed
        version.ended(mayHaveChanged: false)

        #expect(version.opened(as: 3, isRestarted: false) == nil)
        #expect(version.opened(as: 4, isRestarted: false) == nil)
        #expect(version.opened(as: 5, isRestarted: false) != nil)
    }
}
