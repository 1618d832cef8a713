import DFSProtocol
import TestCluster

/// What one client typically does, with every answer and what these answers allow to be true.
final class TypicalSession {
    /// Contents of a file; nil where there is none.
    typealias Contents = [UInt8]?

    /// One request and what came of it.
    struct Step {
        let request: String
        /// The code of ERR; nil for OK.
        let code: String?
        /// Whether a call failed between the request and its answer.
        let isHit: Bool
    }

    /// In the order in which they were asked.
    private(set) var steps: [Step] = []
    /// What each path may hold, as the answers so far have it.
    private(set) var possible: [String: [Contents]] = [:]
    /// What was read that no answer allows, or that two answers contradict.
    private(set) var lies: [String] = []

    /// The directory that it works in; it is not there before.
    let folder: String
    private let files: WireConnection
    private let names: WireConnection
    private let plan: FaultPlan
    /// What was read under each identity and version.
    private var versions: [String: [UInt8]] = [:]

    init(in folder: String, _ files: WireConnection, _ names: WireConnection, _ plan: FaultPlan) {
        self.folder = folder
        self.files = files
        self.names = names
        self.plan = plan
    }

    /// Text of some bytes that no other request writes.
    private static func text(_ mark: Character, _ count: Int) -> [UInt8] {
        [UInt8](String(repeating: mark, count: count).utf8)
    }

    /// Does all of it, whatever is answered.
    func run() throws {
        try writeAndClose()
        try storeAndRead()
        try renameAndRemove()
    }

    private func writeAndClose() throws {
        let path = "\(folder)/a"
        let handle = try open(path, "create")
        if handle == nil {
            possible[path, default: [nil]].append([])
        } else {
            possible[path] = [[]]
        }
        try write(handle, path, at: 0, TypicalSession.text("a", 20_000))
        try ask("READ \(handle ?? "h0") 0 100")
        try ask("SYNC \(handle ?? "h0")")
        try fetch(path)
        try write(handle, path, at: 10_000, TypicalSession.text("b", 5000))
        let more = TypicalSession.text("c", 3000)
        let appended = try ask("APPEND \(handle ?? "h0")", payload: more)
        change(path, appended) { $0 + more }
        let cut = try ask("TRUNCATE \(handle ?? "h0") 15000")
        change(path, cut) { contents in
            contents.prefix(15_000) + [UInt8](repeating: 0, count: max(0, 15_000 - contents.count))
        }
        try ask("STAT \(handle ?? "h0")")
        try ask("CLOSE \(handle ?? "h0")")
        try fetch(path)
    }

    private func storeAndRead() throws {
        let path = "\(folder)/b"
        try store(path, TypicalSession.text("d", 9000))
        try store(path, TypicalSession.text("e", 4000))
        try fetch(path)
        let handle = try open(path, "rw")
        try write(handle, path, at: 100, TypicalSession.text("f", 50))
        try ask("CLOSE \(handle ?? "h0")")
        try ask("DIGEST \(path)")
        try ask("LIST \(folder)")
        try ask("SETATTR \(path) mode=0640")
    }

    private func renameAndRemove() throws {
        let (from, target) = ("\(folder)/b", "\(folder)/c")
        let before = possible[from] ?? [nil]
        switch try ask("RENAME \(from) \(target)", at: names) {
        case nil: (possible[from], possible[target]) = ([nil], before)
        case "not-found": break
        default:
            possible[from] = before + [nil]
            possible[target] = before + [nil]
        }
        let removed = try ask("REMOVE \(target)", at: names)
        possible[target] = removed == nil ? [nil] : (possible[target] ?? []) + [nil]
        try store("\(folder)/d/e/x", TypicalSession.text("g", 10))
        if try ask("REMOVE \(folder)/d recursive=yes", at: names) == nil {
            possible["\(folder)/d/e/x"] = [nil]
        } else {
            possible["\(folder)/d/e/x", default: []].append(nil)
        }
    }

    // MARK: Requests

    /// Asks, and notes whether a call failed meanwhile.
    ///
    /// - Returns: The code of ERR; nil for OK.
    @discardableResult
    private func ask(
        _ request: String, payload: [UInt8]? = nil, at connection: WireConnection? = nil
    ) throws -> String? {
        try answer(request, payload: payload, at: connection).code
    }

    private func answer(
        _ request: String, payload: [UInt8]? = nil, at connection: WireConnection? = nil
    ) throws -> (code: String?, final: WireConnection.Answer) {
        let before = try plan.fired
        guard let final = try (connection ?? files).request(request, payload: payload).last else {
            throw TestFailure("no answer to \(request)")
        }
        var code: String?
        if case .error(let word, _) = final.line.kind { code = word }
        steps.append(Step(request: request, code: code, isHit: try plan.fired > before))
        return (code, final)
    }

    private func open(_ path: String, _ access: String) throws -> String? {
        let answer = try answer("OPEN \(path) \(access)")
        return answer.code == nil ? answer.final.line.text("h") : nil
    }

    private func write(
        _ handle: String?, _ path: String, at offset: Int, _ bytes: [UInt8]
    ) throws {
        let code = try ask("WRITE \(handle ?? "h0") \(offset)", payload: bytes)
        change(path, code) { contents in
            var changed = contents
            if changed.count < offset + bytes.count {
                changed += [UInt8](repeating: 0, count: offset + bytes.count - changed.count)
            }
            changed.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
            return changed
        }
    }

    private func store(_ path: String, _ bytes: [UInt8]) throws {
        switch try ask("STORE \(path)", payload: bytes) {
        case nil: possible[path] = [bytes]
        // All or nothing, and nobody knows which; every other code says that nothing was done.
        case "io", "internal": possible[path] = (possible[path] ?? [nil]) + [bytes]
        default: break
        }
    }

    /// Reads a file and holds it against what may be there.
    ///
    /// - Returns: Whether the answer was OK or `not-found`.
    @discardableResult
    func fetch(_ path: String) throws -> Bool {
        let (code, final) = try answer("FETCH \(path)")
        let allowed = possible[path] ?? [nil]
        guard code == nil else {
            if code == "not-found", !allowed.contains(nil) { lies.append("\(path) is not there") }
            return code == "not-found"
        }
        let contents = final.payload ?? []
        if !allowed.contains(contents) {
            lies.append(
                "\(path) holds \(TypicalSession.outline(contents)), which none of them wrote")
        }
        let version = "\(final.line.text("fid") ?? "none") \(final.line.text("ver") ?? "none")"
        if let earlier = versions[version], earlier != contents {
            lies.append("\(path) has two contents under fid and ver \(version)")
        }
        versions[version] = contents
        return true
    }

    /// Notes a change of what the file may hold; one that was refused happened wholly or not at
    /// all.
    private func change(_ path: String, _ code: String?, _ body: ([UInt8]) -> [UInt8]) {
        let before = possible[path] ?? [nil]
        if code == "stale-handle" { return }
        let after = before.map { $0.map(body) }
        possible[path] = code == nil ? after : before + after
    }

    /// Runs of equal bytes, such as `a*20000`.
    private static func outline(_ bytes: [UInt8]) -> String {
        var runs: [String] = []
        var rest = bytes[...]
        while let byte = rest.first, runs.count < 12 {
            let run = rest.prefix { $0 == byte }
            runs.append("\(FileSystem.shown([byte]))*\(run.count)")
            rest = rest.dropFirst(run.count)
        }
        return runs.joined(separator: " ")
    }
}
