import DFSClient
import DFSProtocol
import Synchronization
import TestCluster

/// Runs a body with a name server, a file server m1 with the file /A/F1, and clients of them.
func withRealCluster(
    _ body: @escaping @Sendable (Cluster, () throws -> DFSClient) async throws -> Void
) async throws {
    try await ClusterSlots.shared.run {
        let cluster = try Cluster()
        try cluster.startNameServer()
        try cluster.startFileServer("m1", mount: "/A", files: ["F1": "first line\n"])
        let endpoint = try cluster["ns1"].endpoint
        let clients = Clients()
        do {
            try await body(cluster) {
                var options = ClientOptions()
                options.deadline = .seconds(30)
                return clients.keep(DFSClient(nameServers: [endpoint], options: options))
            }
        } catch {
            await clients.close()
            throw error
        }
        await clients.close()
    }
}

/// The clients of one test, closed at its end.
private final class Clients: Sendable {
    private let all = Mutex<[DFSClient]>([])

    func keep(_ client: DFSClient) -> DFSClient {
        all.withLock { $0.append(client) }
        return client
    }

    func close() async {
        for client in all.withLock({ $0 }) { await client.close() }
    }
}
