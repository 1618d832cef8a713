import DFSProtocol
import TestCluster

/// What one client was told: for each path the states that the answers allow.
struct CrashRecord: Sendable {
    /// The file server that it worked with.
    let server: String
    /// Contents that a file may have; nil where it may be absent.
    var files: [String: [[UInt8]?]] = [:]
    /// Whether a directory of the catalogue may be there.
    var directories: [String: [Bool]] = [:]
    var acknowledged = 0

    init(server: String) { self.server = server }

    /// Holds what the servers have now against what they said.
    ///
    /// - Returns: A sentence for each answer that was not true.
    func lies(in cluster: Cluster) throws -> [String] {
        let disk = try cluster.greeted(by: server)
        let tree = try cluster.greeted(by: cluster.nameServer.id)
        var lies: [String] = []
        for (path, allowed) in files.sorted(by: { $0.key < $1.key }) {
            guard let answer = try disk.request("FETCH \(path)").last else { continue }
            let contents = answer.line.kind == .ok ? answer.payload ?? [] : nil
            if !allowed.contains(contents) {
                let found = contents.map { String(decoding: $0, as: UTF8.self) } ?? answer.text
                lies.append("\(path) is not what was acknowledged but: \(found)")
            }
            // The report of the last change may be on its way.
            let deadline = Deadline(after: .seconds(20))
            do {
                try deadline.await("the tree knows what \(server) says of \(path)") {
                    let located = try tree.request("LOCATE \(path)").last
                    return (located?.line.kind == .ok) == (contents != nil) ? true : nil
                }
            } catch {
                lies.append("\(error)")
            }
        }
        for (path, allowed) in directories.sorted(by: { $0.key < $1.key }) {
            let isThere = try tree.request("STAT \(path)").last?.line.kind == .ok
            if !allowed.contains(isThere) {
                lies.append("the directory \(path) is \(isThere ? "" : "not ")there")
            }
        }
        return lies
    }
}
