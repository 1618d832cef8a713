import DFSProtocol
import Glibc
import Synchronization
import TestCluster
import Testing

/// Nothing outside of an export is read or changed while another program swaps what is in it.
struct SwapTests {
    /// Swaps that one run makes at least.
    private static let swaps = 100_000
    /// Steps that each client takes at least.
    private static let steps = 400
    private static let clients = 3

    private static let verbs: Set = [
        "OPEN", "FETCH", "STORE", "SETATTR", "LIST", "STAT", "DIGEST", "PULL", "REMOVE", "RENAME",
    ]

    @Test func `a hundred thousand swaps lead no request outside`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try SwapTests.cluster()
            defer { cluster.shutDown() }
            let outside = "\(cluster.folder)/outside"
            let export = try String(decoding: cluster["fs1"].exports[0].folder, as: UTF8.self)
            let arena = try Arena(export: export, outside: outside)
            let digest = try SwapTests.digest(of: arena.canary, cluster)
            let before = try arena.canaries()
            let attacker = try Attacker(arena.pairs, threads: 2)

            let clients: [AttackRecord]
            do {
                clients = try SwapTests.run(cluster, attacker, digest)
            } catch {
                try attacker.stop()
                throw TestFailure("\(error)\n\(cluster.logEnds)")
            }
            let naive = try SwapTests.naiveReads(arena)
            try attacker.stop()

            #expect(attacker.swaps >= SwapTests.swaps)
            #expect(clients.flatMap(\.leaks) == [])
            #expect(try arena.canaries() == before)
            for verb in SwapTests.verbs.sorted() {
                let asked = clients.reduce(0) { $0 + ($1.asked[verb] ?? 0) }
                let succeeded = clients.reduce(0) { $0 + ($1.succeeded[verb] ?? 0) }
                #expect(asked >= 50 && succeeded > 0, "\(verb): \(succeeded) of \(asked)")
            }
            // The control: who opens by name is led astray by the same attack.
            #expect(naive.inside && naive.outside, "the attack wins no race: \(naive)")
            try SwapTests.expectService(cluster)
        }
    }

    /// A name server, the server under attack, and one that files are pulled from.
    private static func cluster() throws -> Cluster {
        let cluster = try Cluster()
        try cluster.startNameServer()
        try cluster.startFileServer("fs1", mount: "/", files: ["calm": "calm"])
        try cluster.startFileServer("fs2", mount: "/b", files: ["source": "pulled"])
        return cluster
    }

    /// What DIGEST would tell of a canary.
    private static func digest(of canary: [UInt8], _ cluster: Cluster) throws -> String {
        let other = try cluster.greeted(by: "fs2")
        try other.expectOK("STORE /b/clone", payload: canary)
        let digest = try other.expectOK("DIGEST /b/clone").line.text("sha256") ?? ""
        try cluster.greeted(by: "ns1").expectOK("REMOVE /b/clone")
        guard digest.count == 64 else { throw TestFailure("no digest: \(digest)") }
        return digest
    }

    /// Lets all clients work until they and the attacker have done enough.
    private static func run(
        _ cluster: Cluster, _ attacker: Attacker, _ digest: String
    ) throws -> [AttackRecord] {
        let ended = EndedClients()
        for number in 0..<clients {
            try BlockingThread.start {
                let result = Result { () throws -> AttackRecord in
                    var client = try AttackedClient(cluster, number: number, digest: digest)
                    var step = 0
                    while step < steps || attacker.swaps < swaps {
                        try client.step()
                        step += 1
                    }
                    return client.record
                }
                ended.records.withLock { $0.append(result) }
            }
        }
        let all = try Deadline(after: .seconds(240)).await("all clients have ended") {
            ended.records.withLock { $0.count == clients ? $0 : nil }
        }
        return try all.map { try $0.get() }
    }

    /// Holds what the clients' threads come to.
    private final class EndedClients: Sendable {
        let records = Mutex<[Result<AttackRecord, any Error>]>([])
    }

    /// What a program reads that opens by name, until it has seen both.
    private static func naiveReads(_ arena: Arena) throws -> (inside: Bool, outside: Bool) {
        var seen = (inside: false, outside: false)
        let limit = Deadline()
        while !limit.isOver, !(seen.inside && seen.outside) {
            let file = open("\(arena.export)/a/naive/file", O_RDONLY | O_CLOEXEC)
            guard file >= 0 else { continue }
            defer { close(file) }
            var start = [UInt8](repeating: 0, count: 7)
            let count = read(file, &start, start.count)
            if start == Array("CANARY-".utf8) { seen.outside = true }
            if count == 6, start.starts(with: Array("inside".utf8)) { seen.inside = true }
        }
        return seen
    }

    /// After the attack everything is served as if there had been none.
    private static func expectService(_ cluster: Cluster) throws {
        let files = try cluster.greeted(by: "fs1")
        try Deadline().await("files can be stored after the attack\n\(cluster.logEnds)") {
            try files.request("STORE /after/calm done").last?.line.kind == .ok ? true : nil
        }
        #expect(try files.expectOK("FETCH /calm").payload == Array("calm".utf8))
        #expect(try files.expectOK("FETCH /after/calm").payload == Array("done".utf8))
        #expect(try cluster["fs1"].process.ending == nil)
    }
}
