import Glibc
import Testing

@testable import DFSDatabase

/// A table of words, as small as a layout can be.
private let words = DatabaseLayout(
    applicationID: 0x7465_7374, steps: ["CREATE TABLE word (text TEXT PRIMARY KEY) STRICT"])

private func insert(_ text: String, into database: DurableDatabase) throws {
    try database.write { try $0.statement("INSERT INTO word VALUES (?)").run(.text(text)) }
}

private func allWords(in database: DurableDatabase) throws -> [String] {
    try database.read { transaction in
        var found: [String] = []
        try transaction.statement("SELECT text FROM word ORDER BY text").rows {
            found.append(try $0.text(0))
        }
        return found
    }
}

private func failure(of body: () throws -> Void) -> DatabaseFailure? {
    #expect(throws: DatabaseFailure.self, performing: body)
}

@Suite struct `A durable database` {
    let scratch: ScratchDirectory
    let path: String

    init() throws {
        scratch = try ScratchDirectory()
        path = scratch.file("words.sqlite")
    }

    @Test func `keeps what was written when it is opened again`() throws {
        let first = try DurableDatabase(at: path, layout: words)
        try insert("kept", into: first)
        try first.close()

        let second = try DurableDatabase(at: path, layout: words)

        #expect(try allWords(in: second) == ["kept"])
        try second.close()
    }

    @Test func `leaves one file behind when it is closed, with everything in it`() throws {
        let database = try DurableDatabase(at: path, layout: words)
        try insert("kept", into: database)
        #expect(try scratch.names() == ["words.sqlite", "words.sqlite-wal"])

        try database.close()

        #expect(try scratch.names() == ["words.sqlite"])
    }

    @Test func `keeps what was written by a process that was killed`() throws {
        let database = try DurableDatabase(at: path, layout: words)
        try insert("kept", into: database)

        // What the disk holds at this instant is what a killed process leaves.
        try write(contents(of: path), to: scratch.file("copy"))
        try write(contents(of: path + "-wal"), to: scratch.file("copy-wal"))

        let copy = try DurableDatabase(at: scratch.file("copy"), layout: words)
        #expect(try allWords(in: copy) == ["kept"])
        try copy.close()
        try database.close()
    }

    @Test func `keeps nothing of a change that threw`() throws {
        struct Stop: Error {}
        let database = try DurableDatabase(at: path, layout: words)

        #expect(throws: Stop.self) {
            try database.write { transaction in
                try transaction.statement("INSERT INTO word VALUES (?)").run(.text("gone"))
                throw Stop()
            }
        }

        #expect(try allWords(in: database) == [])
        try insert("kept", into: database)
        #expect(try allWords(in: database) == ["kept"])
    }

    @Test func `runs with the log, full synchronization and one connection`() throws {
        let database = try DurableDatabase(at: path, layout: words)

        var found: [String] = []
        for pragma in ["journal_mode", "locking_mode"] {
            try database.read {
                try $0.statement("PRAGMA \(pragma)").rows { found.append(try $0.text(0)) }
            }
        }
        var synchronous: Int64?
        try database.read {
            try $0.statement("PRAGMA synchronous").rows { synchronous = try $0.integer(0) }
        }

        #expect(found == ["wal", "exclusive"])
        #expect(synchronous == 2)
    }

    @Test(arguments: [
        DurabilitySettings(journalMode: "wal", synchronous: 1, lockingMode: "exclusive"),
        DurabilitySettings(journalMode: "delete", synchronous: 2, lockingMode: "exclusive"),
        DurabilitySettings(journalMode: "wal", synchronous: 2, lockingMode: "normal"),
    ])
    func `refuses settings that lose commits`(settings: DurabilitySettings) {
        #expect(failure { try settings.check() }?.kind == .notDurable)
        #expect(throws: Never.self) { try DurabilitySettings.required.check() }
    }

    @Test func `is refused to a second opener, and free again after it was closed`() throws {
        let first = try DurableDatabase(at: path, layout: words)
        try insert("kept", into: first)

        #expect(failure { _ = try DurableDatabase(at: path, layout: words) }?.kind == .inUse)

        try insert("more", into: first)
        try first.close()
        let second = try DurableDatabase(at: path, layout: words)
        #expect(try allWords(in: second) == ["kept", "more"])
    }

    @Test func `throws after it was closed`() throws {
        let database = try DurableDatabase(at: path, layout: words)
        try database.close()

        #expect(failure { try insert("late", into: database) }?.kind == .closed)
        #expect(failure { _ = try allWords(in: database) }?.kind == .closed)
    }

    @Test func `refuses to change anything in a read`() throws {
        let database = try DurableDatabase(at: path, layout: words)

        let refusal = failure {
            try database.read { try $0.statement("INSERT INTO word VALUES ('x')").run() }
        }

        #expect(refusal != nil)
        #expect(try allWords(in: database) == [])
    }

    @Test func `keeps every kind of value`() throws {
        let layout = DatabaseLayout(
            applicationID: 5, steps: ["CREATE TABLE t (i INTEGER, b BLOB, s TEXT) STRICT"])
        let database = try DurableDatabase(at: path, layout: layout)
        let blobs: [[UInt8]] = [
            [], [0], [0x27, 0xFF, 0x00, 0x0A], Array(repeating: 7, count: 70_000),
        ]
        try database.write { transaction in
            let insert = try transaction.statement("INSERT INTO t VALUES (?, ?, ?)")
            for blob in blobs { try insert.run(.integer(.min), .blob(blob), .text("a'é")) }
            try insert.run(ColumnValue(nil as Int64?), ColumnValue(nil as [UInt8]?), .null)
        }

        var found: [[UInt8]] = []
        var nulls = 0
        try database.read { transaction in
            try transaction.statement("SELECT i, b, s FROM t ORDER BY rowid").rows { row in
                if try row.optionalInteger(0) == nil {
                    nulls += row.isNull(1) && row.isNull(2) ? 1 : 0
                    return
                }
                #expect(try row.integer(0) == .min)
                #expect(try row.text(2) == "a'é")
                found.append(try row.bytes(1))
            }
        }

        #expect(found == blobs)
        #expect(nulls == 1)
    }

    @Test func `says that a column of the wrong type is damage`() throws {
        let database = try DurableDatabase(at: path, layout: words)
        func look(_ sql: String, _ read: (borrowing ResultRow) throws -> Void) -> DatabaseFailure? {
            failure { try database.read { try $0.statement(sql).rows(visit: read) } }
        }

        #expect(look("SELECT 'x'") { _ = try $0.integer(0) }?.kind == .damaged)
        #expect(
            look("SELECT 4294967296") { _ = try $0.integer(0, as: UInt32.self) }?.kind == .damaged)
        #expect(look("SELECT -1") { _ = try $0.integer(0, as: UInt32.self) }?.kind == .damaged)
        #expect(look("SELECT 'x'") { _ = try $0.bytes(0) }?.kind == .damaged)
        #expect(look("SELECT 1") { _ = try $0.text(0) }?.kind == .damaged)
    }
}
