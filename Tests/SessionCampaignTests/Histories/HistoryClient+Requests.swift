import DFSProtocol
import TestCluster

// Requests that run together, and their answers.
extension HistoryClient {
    /// A request before it is sent.
    private struct Asked {
        var line: String
        var action: FileOperation.Action
        /// How many words it writes.
        var words: Int?
        var ifVersion: Int64?
    }

    /// Sends several requests with tags, so that they run together.
    mutating func send(
        _ count: Int, on file: Int, _ session: Session
    ) throws -> [String: Sent] {
        var sent: [String: Sent] = [:]
        do {
            for index in 0..<count {
                let id = HistoryScene.nextNumber()
                let wish = plan.wishes.randomElement(using: &random) ?? .read
                let asked = request(wish, file, session)
                let operation = FileOperation(
                    id: id, client: number, action: asked.action, ifVersion: asked.ifVersion,
                    answer: .none(.connection), invoked: scene.tick(), returned: .max)
                sent["@t\(index)"] = Sent(file: file, operation: operation)
                let condition = asked.ifVersion.map { " if-ver=\($0)" } ?? ""
                var bytes = [UInt8]("@t\(index) \(asked.line)\(condition)".utf8)
                if let words = asked.words {
                    let data = FileContent.bytes(writer: id, count: words)
                    bytes += [UInt8](" {\(data.count)}\n".utf8) + data
                }
                try connection.send(bytes + [0x0A])
            }
        } catch {
            lose(sent)
            throw error
        }
        return sent
    }

    /// The line of a request, what the model calls it, and what it writes.
    private mutating func request(
        _ wish: HistoryPlan.Wish, _ file: Int, _ session: Session
    ) -> Asked {
        let (path, h, s) = (plan.paths[file], session.handle, session.number)
        let offset = random.requestOffset()
        let count = random.requestWords()
        let start = offset * FileContent.wordBytes
        let bytes = count * FileContent.wordBytes
        switch wish {
        case .read:
            let action = FileOperation.Action.read(session: s, offset: offset, count: count)
            return Asked(line: "READ \(h) \(start) \(bytes)", action: action)
        case .readOn:
            return Asked(line: "READ \(h) \(bytes)", action: .readOn(session: s, count: count))
        case .write:
            return Asked(
                line: "WRITE \(h) \(start)",
                action: .write(session: s, offset: offset, count: count), words: count,
                ifVersion: condition(on: file, plan.conditionRate))
        case .append:
            let action = FileOperation.Action.append(session: s, count: count)
            return Asked(line: "APPEND \(h)", action: action, words: count)
        case .truncate:
            let action = FileOperation.Action.truncate(session: s, size: offset)
            return Asked(line: "TRUNCATE \(h) \(start)", action: action)
        case .sync: return Asked(line: "SYNC \(h)", action: .sync(session: s))
        case .stat: return Asked(line: "STAT \(h)", action: .stat(session: s))
        case .look: return Asked(line: "STAT \(path)", action: .look)
        case .fetch:
            let action = FileOperation.Action.fetch(offset: offset, count: count)
            return Asked(line: "FETCH \(path) \(start) \(bytes)", action: action)
        case .store:
            return Asked(
                line: "STORE \(path)", action: .store(count: count), words: count,
                ifVersion: condition(on: file, plan.conditionRate))
        }
    }

    /// Reads one answer, whichever comes.
    ///
    /// - Parameter bound: When the session went to another connection: what it did, it did before.
    mutating func receive(
        _ sent: inout [String: Sent], from connection: WireConnection, bound: Int = .max
    ) throws {
        let final = try connection.readAnswer()
        let returned = scene.tick()
        let tag = final.line.tag.map { String(decoding: $0.bytes, as: UTF8.self) } ?? ""
        guard let request = sent.removeValue(forKey: tag) else {
            throw TestFailure("an answer to nothing: \(final.text)")
        }
        var operation = request.operation
        let session = operation.action.session
        operation.returned = session == nil ? returned : min(returned, bound)
        note(try HistoryAnswer.settled(operation, final), in: request.file)
        switch final.line.kind {
        case .error("stale-file", _):
            // Half of the clients go on with what they have.
            if Bool.random(using: &random) { quits.insert(request.file) }
        case .error("stale-handle", _), .error("lease-expired", _):
            // On the connection that has the session: it ran out, or somebody killed it.
            if bound == .max, session != nil, sessions[request.file]?.number == session {
                sessions[request.file] = nil
            }
        default: break
        }
        try scene.noteAnswer()
    }
}
