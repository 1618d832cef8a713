import DFSCatalogueStore
import DFSProtocol
import NameService
import Testing

/// What every store promises; whoever writes another adds it to `CatalogueEngine` and is done.
@Suite struct `Every catalogue store` {
    @Test(arguments: CatalogueEngine.allCases)
    func `hands over nothing when it is new`(engine: CatalogueEngine) throws {
        let catalogue = try Catalogue(engine)

        #expect(try catalogue.rows() == LoadedRows())
        try catalogue.restart()
        #expect(try catalogue.rows() == LoadedRows())
    }

    @Test(arguments: CatalogueEngine.allCases)
    func `keeps nodes to the last bit over a restart`(engine: CatalogueEngine) throws {
        let catalogue = try Catalogue(engine)
        let nodes = Self.extremeNodes

        try catalogue.store.commit(nodes.map(CatalogueChange.putNode))

        #expect(try catalogue.rows().nodes == nodes)
        try catalogue.restart()
        #expect(try catalogue.rows().nodes == nodes)
    }

    @Test(arguments: CatalogueEngine.allCases)
    func `keeps servers to the last bit over a restart`(engine: CatalogueEngine) throws {
        let catalogue = try Catalogue(engine)
        let plain = CatalogueServer(
            number: 0, id: try requireID("a"), address: Endpoint(host: "::1", port: 0), epoch: 0,
            generation: nil, mounts: [], leave: nil, lastSeen: 0)
        let extreme = CatalogueServer(
            number: .max, id: try requireID(String(repeating: "z", count: 64)),
            address: Endpoint(host: "files.example.org", port: .max), epoch: .max, generation: .max,
            mounts: [
                .root, try TreePath("/a b"), try TreePath([UInt8]("/\"\\\n\u{1b}{5}".utf8)),
                try TreePath([0x2F, 0xFF, 0xFE]), try TreePath("/k=v"),
            ], leave: .away, lastSeen: .max, isRetired: true)
        let first = CatalogueServer(
            number: 7, id: try requireID("fs-1.x_"), address: Endpoint(host: "10.0.0.1", port: 1),
            epoch: 1, generation: 0, mounts: [try TreePath("/x")], leave: nil, lastSeen: 1)

        try catalogue.store.commit([.putServer(extreme), .putServer(plain), .putServer(first)])

        #expect(try catalogue.rows().servers == [plain, first, extreme])
        try catalogue.restart()
        #expect(try catalogue.rows().servers == [plain, first, extreme])
    }

    @Test(arguments: CatalogueEngine.allCases)
    func `keeps holdings and counters over a restart`(engine: CatalogueEngine) throws {
        let catalogue = try Catalogue(engine)
        let directory = CatalogueHolding(node: 0, server: 2, facts: nil)
        let file = CatalogueHolding(node: .max, server: .max, facts: Self.extremeNodes[0].facts)
        let modeless = CatalogueHolding(node: .max, server: 3, facts: Self.extremeNodes[1].facts)

        try catalogue.store.commit([
            .putHolding(file), .putHolding(directory), .putHolding(modeless),
            .putCounter(name: "epoch", value: .max), .putCounter(name: "é'", value: .min),
        ])
        try catalogue.restart()

        #expect(try catalogue.rows().holdings == [directory, modeless, file])
        #expect(try catalogue.rows().counters == ["epoch": .max, "é'": .min])
    }

    @Test(arguments: CatalogueEngine.allCases)
    func `keeps operations over a restart`(engine: CatalogueEngine) throws {
        let catalogue = try Catalogue(engine)
        let long = String(repeating: "z", count: OperationID.most)
        let asked = try sampleOperation("a", stage: .asked, fid: .max)
        let departed = try sampleOperation("b:-_.", stage: .departed, fid: 0)
        let done = try sampleOperation(long)

        try catalogue.store.commit([
            .putOperation(done), .putOperation(try sampleOperation("b:-_.", stage: .asked)),
            .putOperation(asked), .putOperation(departed),
            .putOperation(try sampleOperation("gone")),
            .removeOperation(try sampleOperation("gone").op),
        ])
        try catalogue.restart()

        #expect(try catalogue.rows().operations == [asked, departed, done])
    }

    @Test(arguments: CatalogueEngine.allCases)
    func `puts a row in the place of the one with its key`(engine: CatalogueEngine) throws {
        let catalogue = try Catalogue(engine)
        var server = try sampleServer(1, id: "fs1")
        try catalogue.store.commit([
            .putNode(sampleNode(1)), .putServer(server), .putCounter(name: "n", value: 1),
            .putHolding(CatalogueHolding(node: 1, server: 2, facts: sampleNode(1).facts)),
        ])

        server.epoch = 5
        server.generation = nil
        var renamed = sampleNode(1, name: "renamed", size: 0)
        renamed.parent = 9
        let holding = CatalogueHolding(node: 1, server: 2, facts: nil)
        try catalogue.store.commit([
            .putNode(renamed), .putServer(server), .putCounter(name: "n", value: 2),
            .putHolding(holding),
        ])
        try catalogue.restart()

        let rows = try catalogue.rows()
        #expect(rows.nodes == [renamed])
        #expect(rows.servers == [server])
        #expect(rows.holdings == [holding])
        #expect(rows.counters == ["n": 2])
    }

    @Test(arguments: CatalogueEngine.allCases)
    func `removes what is there and does not mind what is not`(engine: CatalogueEngine) throws {
        let catalogue = try Catalogue(engine)
        try catalogue.store.commit([
            .putNode(sampleNode(1)), .putNode(sampleNode(2)),
            .putHolding(CatalogueHolding(node: 1, server: 1, facts: nil)),
            .putHolding(CatalogueHolding(node: 1, server: 2, facts: nil)),
        ])

        try catalogue.store.commit([
            .removeNode(number: 1), .removeNode(number: 77), .removeHolding(node: 1, server: 1),
            .removeHolding(node: 2, server: 1),
        ])
        try catalogue.restart()

        #expect(try catalogue.rows().nodes == [sampleNode(2)])
        #expect(
            try catalogue.rows().holdings == [CatalogueHolding(node: 1, server: 2, facts: nil)])
    }

    @Test(arguments: CatalogueEngine.allCases)
    func `applies a batch in its order`(engine: CatalogueEngine) throws {
        let catalogue = try Catalogue(engine)

        try catalogue.store.commit([
            .putNode(sampleNode(1, name: "first")), .removeNode(number: 1),
            .putNode(sampleNode(1, name: "last")), .putNode(sampleNode(2)), .removeNode(number: 2),
        ])

        #expect(try catalogue.rows().nodes == [sampleNode(1, name: "last")])
    }

    @Test(arguments: CatalogueEngine.allCases, [0, 1, 20_000])
    func `takes batches of any size`(engine: CatalogueEngine, size: Int) throws {
        let catalogue = try Catalogue(engine)
        let nodes = (0..<size).map { sampleNode(UInt32($0 + 1)) }

        try catalogue.store.commit(nodes.map(CatalogueChange.putNode))
        try catalogue.restart()

        #expect(try catalogue.rows().nodes == nodes)
    }

    @Test(arguments: CatalogueEngine.allCases)
    func `stops a load where the visitor throws, and goes on`(engine: CatalogueEngine) throws {
        struct Enough: Error {}
        let catalogue = try Catalogue(engine)
        try catalogue.store.commit((1...10).map { .putNode(sampleNode($0)) })

        var seen = 0
        #expect(throws: Enough.self) {
            try catalogue.store.load { _ in
                seen += 1
                if seen == 3 { throw Enough() }
            }
        }

        #expect(seen == 3)
        try catalogue.store.commit([.putNode(sampleNode(11))])
        #expect(try catalogue.rows().nodes.count == 11)
    }

    @Test(arguments: CatalogueEngine.allCases)
    func `refuses everything once it was closed`(engine: CatalogueEngine) throws {
        let catalogue = try Catalogue(engine)
        try catalogue.store.close()

        #expect(throws: CatalogueStoreError.self) {
            try catalogue.store.commit([.putNode(sampleNode(1))])
        }
        #expect(throws: CatalogueStoreError.self) { try catalogue.rows() }
        #expect(throws: CatalogueStoreError.self) { try catalogue.store.close() }
    }

    @Test(arguments: CatalogueEngine.allCases, 1...12 as ClosedRange<UInt64>)
    func `agrees with a model after any sequence of changes`(
        engine: CatalogueEngine, seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        let catalogue = try Catalogue(engine)
        var model = LoadedRows()

        for _ in 0..<40 {
            let batch = try (0..<Int.random(in: 0...30, using: &random)).map { _ in
                try Self.randomChange(&random)
            }
            try catalogue.store.commit(batch)
            for change in batch { model.apply(change) }
            if Int.random(in: 0..<8, using: &random) == 0 { try catalogue.restart() }
            try #require(try catalogue.rows() == model, "seed \(seed)")
        }
    }
}

extension `Every catalogue store` {
    /// Rows at the ends of every range, and names of every kind that Linux allows.
    static var extremeNodes: [CatalogueNode] {
        let every = (1...255).map { UInt8($0) }.filter { $0 != UInt8(ascii: "/") }
        let names: [[UInt8]] = [
            every, [UInt8](repeating: 0xFF, count: 255), [0x0A], [0x1B], Array("{5}".utf8),
            Array("@7".utf8), Array("é 'x'".utf8), [0xE2, 0x80, 0xAE], Array("-".utf8),
        ]
        let kinds: [CatalogueNode.Kind] = [.file, .directory, .claim]
        return names.enumerated().map { index, name in
            let isLow = index % 2 == 0
            return CatalogueNode(
                number: index == 8 ? .max : UInt32(index + 1), parent: isLow ? 0 : .max, name: name,
                kind: kinds[index % 3], server: isLow ? .max : 0,
                facts: FileFacts(
                    size: isLow ? .max : 0,
                    mtime: WallTime(seconds: isLow ? .min : .max, nanoseconds: 999_999_999),
                    mode: isLow ? FileMode(bits: 0o777) : nil, fid: isLow ? .max : 0,
                    ver: isLow ? 0 : .max), isExplicit: isLow, deadline: isLow ? .max : 0)
        }
    }

    private static func randomChange(
        _ random: inout SeededGenerator
    ) throws -> CatalogueChange {
        let number = UInt32.random(in: 1...12, using: &random)
        let size = Int64.random(in: 0...(.max), using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 8: return .putOperation(try sampleOperation("op\(number)", fid: size))
        case 9: return .removeOperation(try sampleOperation("op\(number)").op)
        case 0...2: return .putNode(sampleNode(number, name: "n\(size)", size: size))
        case 3: return .removeNode(number: number)
        case 4:
            var server = try sampleServer(number, id: "fs\(number)")
            server.epoch = size
            return .putServer(server)
        case 5:
            let facts = size % 2 == 0 ? nil : sampleNode(number, size: size).facts
            return .putHolding(CatalogueHolding(node: number, server: number % 3, facts: facts))
        case 6: return .removeHolding(node: number, server: number % 3)
        default: return .putCounter(name: "c\(number % 2)", value: size)
        }
    }
}

/// SplitMix64: the same numbers from the same seed everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
