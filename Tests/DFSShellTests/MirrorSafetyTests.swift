import Synchronization
import TestCluster
import Testing

/// `mirror --delete` against a name server that says less than there is.
@Suite struct MirrorSafetyTests {
    /// How a name server can fail to tell everything.
    enum Failure: CaseIterable {
        /// The second page of a listing is refused.
        case secondPage
        /// Everything is listed, and then who is up can not be asked.
        case servers
        /// A server with files below is away, and none of its files are listed.
        case absence
        /// A server tells its last file behind the listing, and before who is up is asked again.
        case inventory

        /// - Parameter count: How many questions of this verb there were, with this one.
        func answer(to line: String, _ count: Int) -> String {
            var words = line.split(separator: " ").map(String.init)
            let tag = words.first?.hasPrefix("@") == true ? words.removeFirst() + " " : ""
            let ok = "\(tag)OK count=1\n"
            switch words.first {
            case "FIND" where line.contains("after="): return "\(tag)ERR internal \"no more\"\n"
            case "FIND":
                let item =
                    "\(tag)* file path=/d/kept size=2 mtime=2026-11-01T08:30:00Z server=fs1 "
                    + "state=up\n"
                return item
                    + (self == .secondPage ? "\(tag)OK count=1 more=yes after=/d/kept\n" : ok)
            case "SERVERS":
                if self == .servers { return "\(tag)ERR internal \"not now\"\n" }
                let state =
                    self == .absence ? "down" : count == 1 ? "up inventory=running" : "up"
                return "\(tag)* server id=fs1 addr=127.0.0.1:1 state=\(state) seen=9000 mounts=/d\n"
                    + ok
            default: return "\(tag)OK version=1\n"
            }
        }
    }

    @Test(arguments: Failure.allCases)
    func `nothing is deleted where not everything is known`(failure: Failure) throws {
        let cluster = try Cluster()
        defer { cluster.shutDown() }
        let counts = Mutex<[String: Int]>([:])
        let names = try ScriptedPeer(greeting: "OK DFS/1 role=name id=ns1\n") {
            let verb = $0.split(separator: " ").first { !$0.hasPrefix("@") } ?? ""
            return failure.answer(
                to: $0,
                counts.withLock { counts in
                    counts[String(verb), default: 0] += 1
                    return counts[String(verb), default: 0]
                })
        }
        let here = "\(cluster.folder)/here"
        try FileSystem.write("x\n", to: "\(here)/kept")
        try FileSystem.setTime(1_793_521_800, of: [UInt8]("\(here)/kept".utf8))
        try FileSystem.write("mine\n", to: "\(here)/mine")

        let run = try cluster.shell(
            ["-n", names.endpoint.description, "mirror", "--delete", "/d", "here"])

        #expect(run.exitCode != 0)
        #expect(!run.errors.contains("deleted;") && !run.errors.hasSuffix("deleted\n"))
        #expect(try FileSystem.read("\(here)/mine") == [UInt8]("mine\n".utf8))
        #expect(try FileSystem.read("\(here)/kept") == [UInt8]("x\n".utf8))
        if failure == .inventory {
            #expect(run.exitCode == 5)
            #expect(
                run.errors.contains(
                    "dfsh: /d: nothing is deleted at or below it: file server fs1 is still telling "
                        + "what it has"))
        }
        if failure == .absence {
            #expect(run.exitCode == 5)
            #expect(
                run.errors.contains(
                    "dfsh: /d: nothing is deleted at or below it: file server fs1 is down"))
        }
    }
}
