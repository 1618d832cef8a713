import Glibc
import NameService
import Testing

@testable import DFSCatalogueStore
@testable import DFSDatabase

private func refusal(of body: () throws -> Void) -> CatalogueStoreError? {
    #expect(throws: CatalogueStoreError.self, performing: body)
}

@Suite struct `A catalogue file` {
    let scratch: ScratchDirectory
    let path: String

    init() throws {
        scratch = try ScratchDirectory()
        path = scratch.file("catalogue.sqlite")
    }

    /// Leaves a closed catalogue of many pages behind.
    private func fill() throws {
        let store = try SQLiteCatalogueStore(at: path)
        let server = try sampleServer(1, id: "fs1")
        try store.commit(
            [
                .putServer(server), .putCounter(name: "epoch", value: 3),
                .putOperation(try sampleOperation("op")),
            ]
                + (1...2000).map { .putNode(sampleNode($0)) }
                + (1...2000).map {
                    .putHolding(
                        CatalogueHolding(node: $0, server: 2, facts: sampleNode($0).facts))
                })
        try store.close()
    }

    @Test func `that is no database is refused and left as it is`() throws {
        let bytes = Array(String(repeating: "not a database\n", count: 500).utf8)
        try write(bytes, to: path)

        let error = refusal { _ = try SQLiteCatalogueStore(at: path) }

        #expect(error?.description.contains("it is not a database") == true)
        #expect(try contents(of: path) == bytes)
    }

    @Test func `of another program is refused and left as it is`() throws {
        let layout = DatabaseLayout(applicationID: 77, steps: ["CREATE TABLE t (x)"])
        try DurableDatabase(at: path, layout: layout).close()
        let bytes = try contents(of: path)

        let error = refusal { _ = try SQLiteCatalogueStore(at: path) }

        #expect(error?.description.contains("another program") == true)
        #expect(try contents(of: path) == bytes)
    }

    @Test func `of a newer version is refused and left as it is`() throws {
        let newer = DatabaseLayout(
            applicationID: DatabaseLayout.catalogueMark,
            steps: Array(repeating: "CREATE TABLE IF NOT EXISTS t (x)", count: 99))
        try DurableDatabase(at: path, layout: newer).close()
        let bytes = try contents(of: path)

        let error = refusal { _ = try SQLiteCatalogueStore(at: path) }

        #expect(error?.description.contains("newer version") == true)
        #expect(try contents(of: path) == bytes)
    }

    @Test func `of version 1 is taken over with everything in it`() throws {
        let older = DatabaseLayout(
            applicationID: DatabaseLayout.catalogueMark, steps: [CatalogueSQL.version1])
        let database = try DurableDatabase(at: path, layout: older)
        try database.write { transaction in
            try transaction.statement(
                "INSERT INTO server VALUES (1, 'fs1', '127.0.0.1:7401', 4, 9, X'2F', 0, 1790000000)"
            ).run()
            try transaction.statement(
                "INSERT INTO node VALUES (1, 0, X'61', 0, 1, 5, 6, 7, NULL, 8, 9, 0, 0)"
            ).run()
            try transaction.statement("INSERT INTO counter VALUES ('epoch', 3)").run()
        }
        try database.close()

        let store = try SQLiteCatalogueStore(at: path)
        try store.commit([.putOperation(try sampleOperation("op"))])
        let rows = try LoadedRows(from: store)

        #expect(rows.servers == [try sampleServer(1, id: "fs1")])
        #expect(rows.nodes.map(\.facts.fid) == [8])
        #expect(rows.counters == ["epoch": 3])
        #expect(rows.operations == [try sampleOperation("op")])
    }

    @Test func `in a directory that is not there is refused`() {
        let error = refusal { _ = try SQLiteCatalogueStore(at: scratch.file("none/catalogue")) }

        #expect(error?.description.contains("can not be opened") == true)
    }

    @Test func `is named in the sentence, quoted`() throws {
        let name = scratch.file("a\u{1b}b\n")
        try write(Array("not a database, but a text of some length".utf8), to: name)

        let error = refusal { _ = try SQLiteCatalogueStore(at: name) }

        #expect(error?.description.contains("a\\x1bb\\n\"") == true)
        #expect(error?.description.contains("\u{1b}") == false)
    }

    @Test func `that lost its end is refused`() throws {
        try fill()
        let bytes = try contents(of: path)
        try write(Array(bytes.prefix(bytes.count / 2)), to: path)

        let error = refusal {
            let store = try SQLiteCatalogueStore(at: path)
            _ = try LoadedRows(from: store)
        }

        #expect(error?.description.contains("damaged") == true)
    }

    @Test(arguments: [0x00, 0xFF] as [UInt8])
    func `with any page overwritten is refused`(filler: UInt8) throws {
        try fill()
        let bytes = try contents(of: path)
        let pageSize = 4096
        try #require(bytes.count / pageSize > 30)

        for page in 1..<bytes.count / pageSize {
            var damaged = bytes
            damaged.replaceSubrange(
                page * pageSize..<(page + 1) * pageSize,
                with: repeatElement(filler, count: pageSize))
            try write(damaged, to: path)

            let error = refusal {
                let store = try SQLiteCatalogueStore(at: path)
                _ = try LoadedRows(from: store)
            }
            #expect(error?.description.contains("damaged") == true, "page \(page)")
            #expect(error?.isOutOfSpace == false)
        }
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `with any bit flipped crashes nothing`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        try fill()
        let bytes = try contents(of: path)
        var refused = 0

        for _ in 0..<60 {
            var damaged = bytes
            for _ in 0..<8 {
                damaged[Int.random(in: 0..<bytes.count, using: &random)] ^=
                    1 << UInt8.random(in: 0..<8, using: &random)
            }
            try write(damaged, to: path)
            do {
                let store = try SQLiteCatalogueStore(at: path)
                _ = try LoadedRows(from: store)
            } catch is CatalogueStoreError {
                refused += 1
            }
        }

        #expect(refused > 0, "seed \(seed)")
    }

    @Test(arguments: ["server", "node", "holding", "operation", "operation name"])
    func `with a row that makes no sense is refused`(table: String) throws {
        try fill()
        let senseless = [
            "server": "UPDATE server SET address = 'nowhere'",
            "node": "UPDATE node SET name = X'2F'", "holding": "UPDATE holding SET mode = 512",
            "operation": "UPDATE operation SET stage = 3",
            "operation name": "UPDATE operation SET op = X'20'",
        ]
        let database = try DurableDatabase(at: path, layout: .catalogue)
        try database.write { try $0.statement(senseless[table] ?? "").run() }
        try database.close()

        let error = refusal {
            let store = try SQLiteCatalogueStore(at: path)
            _ = try LoadedRows(from: store)
        }

        #expect(error?.description.contains("makes no sense") == true)
    }

    @Test func `of our own passes the verification that a damaged one fails`() throws {
        try fill()
        let sound = try DurableDatabase(at: path, layout: .catalogue)
        #expect(throws: Never.self) { try sound.verify() }
        try sound.close()

        var bytes = try contents(of: path)
        let last = bytes.count - 4096
        bytes.replaceSubrange(last..<bytes.count, with: repeatElement(0xFF, count: 4096))
        try write(bytes, to: path)
        let damaged = try DurableDatabase(at: path, layout: .catalogue)

        let failure = #expect(throws: DatabaseFailure.self) { try damaged.verify() }
        #expect(failure?.kind == .damaged)
    }

    @Test func `takes no more writes once damage was found`() throws {
        try fill()
        var bytes = try contents(of: path)
        for page in 10..<bytes.count / 4096 { bytes[page * 4096] = 0xEE }
        try write(bytes, to: path)
        let store = try SQLiteCatalogueStore(at: path)
        #expect(throws: CatalogueStoreError.self) { try LoadedRows(from: store) }

        let error = refusal { try store.commit([.putCounter(name: "epoch", value: 4)]) }

        #expect(error?.description.contains("damaged") == true)
    }
}
