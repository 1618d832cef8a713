import DFSProtocol
import Glibc
import TestCluster
import Testing

/// The name server's own disk, full or failing for a while.
struct CatalogueDiskTests {
    /// A name server whose state is in a folder of the test's, and a connection to it.
    private final class World {
        let cluster: Cluster
        let plan: FaultPlan
        let stateFolder: String
        private(set) var names: WireConnection
        /// Directories whose MKDIR was answered OK.
        private var acknowledged: Set<String> = []
        private var made = 0
        private let disk: SmallDisk?

        /// - Parameter disk: Where the state is; nil for a folder whose calls the plan has.
        init(on disk: ((Cluster) throws -> SmallDisk)? = nil) throws {
            cluster = try Cluster()
            plan = try FaultPlan(in: cluster.folder)
            let disk = try disk?(cluster)
            stateFolder =
                try (disk?.path ?? FileSystem.makeUniqueFolder("\(cluster.folder)/state-"))
            self.disk = disk
            try cluster.startNameServer(
                options: ["--state", stateFolder], launch: plan.launch(Array(stateFolder.utf8)))
            names = try cluster.greeted(by: "ns1")
        }

        /// Makes one more directory.
        ///
        /// - Returns: The answer's error code; nil where it was made.
        func makeDirectory() throws -> String? {
            made += 1
            let path = "/d\(made)"
            let code = try code("MKDIR \(path)")
            if code == nil { acknowledged.insert(path) }
            return code
        }

        /// Writes a file until the disk has no byte left.
        func fill(_ path: String) throws {
            let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw TestFailure("no \(path): errno \(errno)") }
            defer { close(descriptor) }
            let block = [UInt8](repeating: 0x62, count: 65_536)
            while write(descriptor, block, block.count) > 0 {}
            guard errno == ENOSPC else { throw TestFailure("the disk is not full: \(errno)") }
        }

        func code(_ request: String) throws -> String? {
            guard let final = try names.request(request).last else { return "" }
            if case .error(let code, _) = final.line.kind { return code }
            return nil
        }

        /// Waits until changes are accepted again by the process that runs.
        func awaitRecovery() throws {
            var last: String?
            try Deadline().await("changes are accepted again; they are \(last ?? "accepted")") {
                last = try makeDirectory()
                return last == nil ? true : nil
            }
            let status = try names.expectOK("STATUS").line.text("store")
            guard status == "ok" else { throw TestFailure("store=\(status ?? "")") }
        }

        /// What the tree has, as answered from memory.
        func listing() throws -> [String] {
            try names.request("FIND /").dropLast().compactMap { $0.line.text("path") }
        }

        /// Kills the server, and holds what it finds on its disk against what it had in memory.
        func restartAndCompare() throws -> [String] {
            let before = try listing()
            var problems = acknowledged.subtracting(before).map { "\($0) left the memory" }
            try cluster["ns1"].kill()
            try cluster["ns1"].start()
            names = try cluster.greeted(by: "ns1")
            let after = try listing()
            problems += Set(before).symmetricDifference(after).map { "\($0) is not on both sides" }
            return problems.sorted()
        }
    }

    @Test(arguments: [FaultPlan.Call.write, .sync])
    func `a failing disk refuses changes, answers reads, and needs no restart`(
        call: FaultPlan.Call
    ) async throws {
        try await ClusterSlots.shared.run {
            let world = try World()
            defer { world.cluster.shutDown() }
            #expect(try world.makeDirectory() == nil)

            try world.plan.arm(call, .served, 1...UInt64(Int64.max), error: EIO)
            let begun = try world.makeDirectory()
            let refused = try world.makeDirectory()
            let during = try world.listing()
            let status = try world.names.expectOK("STATUS").line.text("store")

            #expect(begun == "timeout")
            #expect(refused == "io")
            #expect(during == ["/d1", "/d2"])
            #expect(status == "io")
            #expect(try world.plan.fired > 0)
            try world.plan.disarm()
            try world.awaitRecovery()
            #expect(try world.restartAndCompare() == [])
            #expect(try world.listing().contains("/d2"))
        }
    }

    @Test(.enabled(if: Machine.canMount, "needs root: mount -t tmpfs failed"))
    func `a full disk refuses changes, answers reads, and needs no restart`() async throws {
        try await ClusterSlots.shared.run {
            let world = try World { try SmallDisk(.tmpfs, mebibytes: 4, in: $0.folder) }
            defer { world.cluster.shutDown() }
            let ballast = "\(world.stateFolder)/ballast"
            #expect(try world.makeDirectory() == nil)

            try world.fill(ballast)
            var begun: String?
            for _ in 0..<1000 where begun == nil { begun = try world.makeDirectory() }
            let refused = try world.makeDirectory()
            let during = try world.listing()
            let status = try world.names.expectOK("STATUS").line.text("store")

            #expect(begun == "timeout")
            #expect(refused == "no-space")
            #expect(during.contains("/d1"))
            #expect(status == "no-space")
            try FileSystem.remove(ballast)
            try world.awaitRecovery()
            #expect(try world.restartAndCompare() == [])
        }
    }

    /// Each attempt to go on comes a second after the one before: lanes wait at the same time.
    private static let lanes: UInt64 = 4

    @Test(
        arguments: [FaultPlan.Call.open, .read, .write, .sync, .unlink, .truncate], 0..<lanes)
    func `each call of the repair may fail, and the next one goes on`(
        call: FaultPlan.Call, lane: UInt64
    ) async throws {
        try await ClusterSlots.shared.run {
            let world = try World()
            defer { world.cluster.shutDown() }
            var (number, problems, hits) = (lane + 1, [String](), 0)
            while number < 500 {
                #expect(try world.makeDirectory() == nil)
                // Every commit fails until the repair is to meet its one fault.
                try world.plan.arm(.sync, .served, 1...UInt64(Int64.max), error: EIO)
                #expect(try world.makeDirectory() == "timeout")
                try world.plan.arm(call, .served, number...number, error: EIO)
                try world.awaitRecovery()
                let fired = try world.plan.fired
                try world.plan.disarm()
                problems += try world.restartAndCompare()
                if fired == 0 { break }
                hits += 1
                number += CatalogueDiskTests.lanes
            }

            #expect(problems == [])
            #expect(hits > 0 || call == .truncate || call == .read, "no such call was made")
            #expect(number < 500)
        }
    }
}
