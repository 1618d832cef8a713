import Glibc
import TestCluster
import Testing

/// The disk fails under the thread that follows what other programs do in an export.
struct FollowingFaultTests {
    @Test(arguments: [FaultPlan.Call.open, .list])
    func `what could not be looked at is not gone, and what changed meanwhile is found later`(
        _ call: FaultPlan.Call
    ) async throws {
        try await ClusterSlots.shared.run {
            let server = try FaultyServer()
            defer { server.cluster.shutDown() }
            try server.files.expectOK("STORE /d/known old")
            try server.cluster.awaitFile(Array("/d/known".utf8), on: "fs1")

            try server.plan.arm(call, .following, 1 ... .max, error: EIO)
            let folder = server.folder + Array("/new/below".utf8)
            try FileSystem.write(Array("by another program".utf8), to: folder + Array("/f".utf8))
            try FileSystem.write(Array("n".utf8), to: server.folder + Array("/d/new".utf8))
            try Deadline().await("the following thread has met the fault") {
                try server.plan.fired > 0 ? true : nil
            }
            // What it can not look at stays what it was.
            #expect(
                try server.files.expectOK("FETCH /d/known").payload == Array("old".utf8))
            try server.names.expectOK("LOCATE /d/known")
            try server.plan.disarm()

            try server.cluster.awaitFile(Array("/new/below/f".utf8), on: "fs1")
            try server.cluster.awaitFile(Array("/d/new".utf8), on: "fs1")
            try server.names.expectOK("LOCATE /d/known")
        }
    }
}
