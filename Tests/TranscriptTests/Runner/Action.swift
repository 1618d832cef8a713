import DFSProtocol
import TestCluster

/// Something that happens to the cluster between what is said, such as `kill fs1` or `await down
/// fs1`.
enum Action: Equatable {
    case halfClose
    case close
    /// Bytes as they are, without a line's end.
    case send([UInt8])
    case kill(String)
    case stop(String)
    case pause(String)
    case resume(String)
    case start(String)
    case restart(String)
    case awaitState(String, of: String, within: Int?)
    case awaitFile([UInt8], on: String)
    case awaitGone([UInt8])
    case awaitFiles(Int, of: String)
    /// Behind the file server's back.
    case write(String, name: [UInt8], contents: [UInt8])
    case remove(String, name: [UInt8])

    static let help = """
        actions: half-close, close, send "BYTES", kill|stop|pause|resume|start|restart ID, \
        await up|suspect|down|goodbye ID [within MS], await file PATH ID, await gone PATH, await files N ID, \
        write ID:NAME "BYTES", remove ID:NAME
        """

    private static let states = ["up", "suspect", "down", "goodbye"]

    /// Reads the text of an action; words are quoted as on the wire.
    init(_ text: String, _ number: Int) throws {
        let words: [[UInt8]]
        do {
            words = try Quoting.unquoteList([UInt8](text.utf8))
        } catch {
            throw TranscriptError(number, "\(error.advice); \(Action.help)")
        }
        let texts = words.map { String(decoding: $0, as: UTF8.self) }
        switch (texts.first, texts.count) {
        case ("half-close", 1): self = .halfClose
        case ("close", 1): self = .close
        case ("send", 2): self = .send(words[1])
        case ("kill", 2): self = .kill(texts[1])
        case ("stop", 2): self = .stop(texts[1])
        case ("pause", 2): self = .pause(texts[1])
        case ("resume", 2): self = .resume(texts[1])
        case ("start", 2): self = .start(texts[1])
        case ("restart", 2): self = .restart(texts[1])
        case ("await", 3) where Action.states.contains(texts[1]):
            self = .awaitState(texts[1], of: texts[2], within: nil)
        case ("await", 5) where Action.states.contains(texts[1]) && texts[3] == "within":
            guard let limit = Int(texts[4]) else { throw TranscriptError(number, Action.help) }
            self = .awaitState(texts[1], of: texts[2], within: limit)
        case ("await", 3) where texts[1] == "gone": self = .awaitGone(words[2])
        case ("await", 4) where texts[1] == "file": self = .awaitFile(words[2], on: texts[3])
        case ("await", 4) where texts[1] == "files":
            guard let count = Int(texts[2]) else { throw TranscriptError(number, Action.help) }
            self = .awaitFiles(count, of: texts[3])
        case ("write", 3):
            let (id, name) = try Action.place(words[1], number)
            self = .write(id, name: name, contents: words[2])
        case ("remove", 2):
            let (id, name) = try Action.place(words[1], number)
            self = .remove(id, name: name)
        default: throw TranscriptError(number, "unknown action \(text); \(Action.help)")
        }
    }

    private static func place(_ word: [UInt8], _ number: Int) throws -> (String, [UInt8]) {
        guard let colon = word.firstIndex(of: UInt8(ascii: ":")) else {
            throw TranscriptError(number, "a file is ID:NAME, relative to the first export")
        }
        return (String(decoding: word[..<colon], as: UTF8.self), Array(word[(colon + 1)...]))
    }

    /// Whether it only concerns the connection of its block.
    var isOfConnection: Bool {
        switch self {
        case .halfClose, .close, .send: true
        default: false
        }
    }

    /// Does it; those of a connection are not done here.
    func perform(on cluster: Cluster) throws {
        switch self {
        case .halfClose, .close, .send: break
        case .kill(let id): try cluster[id].kill()
        case .stop(let id): try Action.stop(cluster[id])
        case .pause(let id): try cluster[id].pause()
        case .resume(let id): try cluster[id].resume()
        case .start(let id): try cluster[id].start()
        case .restart(let id):
            let server = try cluster[id]
            if try server.process.ending == nil { try Action.stop(server) }
            try server.start()
        case .awaitState(let state, let id, let limit):
            let patience = limit.map { Duration.milliseconds($0) } ?? Deadline.usual
            try cluster.awaitState(of: id, state, within: patience)
        case .awaitFile(let path, let id): try cluster.awaitFile(path, on: id)
        case .awaitGone(let path): try cluster.awaitNoFile(path)
        case .awaitFiles(let count, let id): try cluster.awaitFiles(of: id, count: count)
        case .write(let id, let name, let contents):
            try FileSystem.write(contents, to: Action.path(cluster[id], name))
        case .remove(let id, let name): try FileSystem.remove(Action.path(cluster[id], name))
        }
    }

    private static func stop(_ server: ClusterServer) throws {
        let ending = try server.stop()
        guard ending == .exit(0) else {
            throw TestFailure(
                "\(server.id) ended with \(ending) after SIGTERM; its log ends:\n\(server.logEnd)")
        }
    }

    private static func path(_ server: ClusterServer, _ name: [UInt8]) throws -> [UInt8] {
        guard let export = server.exports.first else {
            throw TestFailure("\(server.id) exports no folder")
        }
        return export.folder + [UInt8(ascii: "/")] + name
    }
}
