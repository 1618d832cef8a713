import Glibc
import TestCluster
import Testing

/// A kind of call that fails, and what a client is told then.
struct CallFault: Sendable, CustomTestStringConvertible {
    let call: FaultPlan.Call
    let place: FaultPlan.Place
    let error: Int32
    /// The codes that say so.
    let codes: Set<String>
    /// Whether all later calls fail too, as on a disk that is gone.
    let isLasting: Bool

    init(
        _ call: FaultPlan.Call, _ error: Int32,
        _ codes: Set<String>, at place: FaultPlan.Place = .served, isLasting: Bool = false
    ) {
        self.call = call
        self.place = place
        self.error = error
        self.codes = codes
        self.isLasting = isLasting
    }

    var testDescription: String {
        "\(place) \(call) errno \(error)\(isLasting ? " from then on" : "")"
    }
}

/// A file server whose calls can be made to fail, and a client of it.
final class FaultyServer {
    let cluster: Cluster
    let plan: FaultPlan
    let folder: [UInt8]
    let files: WireConnection
    let names: WireConnection
    private var baseline = 0

    init() throws {
        cluster = try Cluster(pace: Pace(beat: 200, suspect: 20_000, down: 30_000))
        folder = [UInt8]("\(cluster.folder)/export".utf8)
        try FileSystem.makeFolders(folder)
        plan = try FaultPlan(in: cluster.folder)
        try cluster.startNameServer()
        try cluster.startFileServer(
            "fs1", exports: [Cluster.Export(folder: folder)], launch: try plan.launch(folder))
        files = try cluster.greeted(by: "fs1")
        names = try cluster.greeted(by: "ns1")
    }

    /// How many descriptors the server has open.
    private var descriptors: Int {
        get throws {
            try FileSystem.names(in: [UInt8]("/proc/\(cluster["fs1"].process.pid)/fd".utf8)).count
        }
    }

    /// Runs the script once without a fault and remembers what the server holds afterwards.
    func warmUp() throws {
        let session = TypicalSession(in: "/warm", files, names, plan)
        try session.run()
        for step in session.steps where step.code != nil {
            throw TestFailure("without any fault: \(step.request) -> \(step.code ?? "")")
        }
        baseline = try descriptors
    }

    /// Runs the script with call number `number` failing.
    ///
    /// - Returns: How many calls failed, and everything that was not as promised.
    func round(_ fault: CallFault, _ number: UInt64) throws -> (fired: UInt64, problems: [String]) {
        let session = TypicalSession(in: "/r\(number)", files, names, plan)
        try plan.arm(
            fault.call, fault.place, number...(fault.isLasting ? .max : number),
            error: fault.error)
        try session.run()
        let fired = try plan.fired
        try plan.disarm()
        var problems = FaultyServer.wrongAnswers(session.steps, fault)
        try awaitRecovery("/probe\(number)")
        problems += try untruths(of: session)
        problems += try leaks()
        return (fired, problems.map { "call \(number): \($0)" })
    }

    /// Answers that are not OK though nothing failed, or that say something else than what failed.
    static func wrongAnswers(
        _ steps: [TypicalSession.Step], _ fault: CallFault
    ) -> [String] {
        var (problems, isHit, isRefused) = ([String](), false, false)
        // What follows where a file could not be made, a session not be opened, or where one may
        // not go on because of what the disk did to its file.
        let followUps: Set = ["stale-handle", "not-found", "io"]
        for step in steps {
            isHit = isHit || step.isHit
            if let code = step.code {
                let isRight = isHit && fault.codes.contains(code)
                if !isRight, !(isRefused && followUps.contains(code)) {
                    problems.append("\(step.request) -> \(code)\(step.isHit ? ", hit" : "")")
                }
                isRefused = true
            }
        }
        return problems
    }

    /// Waits until the server changes files again, without a restart.
    func awaitRecovery(_ path: String) throws {
        var last = ""
        try Deadline().await("\(path) can be stored; it says \(last)\n\(cluster.logEnds)") {
            let final = try files.request("STORE \(path) probe").last
            last = final?.text ?? "nothing"
            return final?.line.kind == .ok ? true : nil
        }
    }

    /// What client, disk and name server say now and no answer allowed.
    func untruths(of session: TypicalSession) throws -> [String] {
        var problems: [String] = []
        for (path, allowed) in session.possible.sorted(by: { $0.key < $1.key }) {
            if try !session.fetch(path) { problems.append("\(path) can not be read afterwards") }
            // Nothing at that name reads as nothing.
            let onDisk = try? FileSystem.read(folder + [UInt8](path.utf8))
            if !allowed.contains(onDisk) { problems.append("\(path) is something else on disk") }
            if onDisk == nil {
                try cluster.awaitNoFile([UInt8](path.utf8))
            } else {
                try cluster.awaitFile([UInt8](path.utf8), on: "fs1")
            }
        }
        let (from, target) = ("\(session.folder)/b", "\(session.folder)/c")
        let found = [from, target].filter { FileSystem.exists(folder + [UInt8]($0.utf8)) }
        if found.count > 1 { problems.append("RENAME left two names") }
        return problems + session.lies
    }

    /// Descriptors, sessions and unfinished files that stayed.
    func leaks(within duration: Duration = .seconds(10)) throws -> [String] {
        var problems: [String] = []
        var count = 0
        do {
            try Deadline(after: duration).await("the descriptors are as before") {
                count = try descriptors
                return count <= baseline ? true : nil
            }
        } catch is TestFailure {
            problems.append("\(count) descriptors, and \(baseline) before")
        }
        let handles = try files.request("HANDLES")
        if handles.count != 1 { problems.append("sessions stay: \(handles.map(\.text))") }
        let leftovers = try FileSystem.entries(below: folder).map {
            String(decoding: $0.path, as: UTF8.self)
        }.filter { $0.contains(".dfs-tmp-") && !$0.hasPrefix(".dfs/") }
        if !leftovers.isEmpty { problems.append("unfinished files stay: \(leftovers)") }
        return problems
    }
}
