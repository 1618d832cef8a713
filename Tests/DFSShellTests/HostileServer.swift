import DFSProtocol
import Glibc
import Synchronization
import TestCluster

/// A server of a test's own making that says anything, byte for byte, to whoever connects.
final class HostileServer: Sendable {
    /// What is said to a line, or to a connection that was just made.
    enum Answer: Sendable {
        /// Bytes; a `~` that begins a line stands for the tag of what was asked.
        case say([UInt8])
        /// The same bytes again and again, for as long as they are taken.
        case forever([UInt8])
        /// Nothing, ever.
        case silence

        static func say(_ text: String) -> Answer { .say([UInt8](text.utf8)) }
    }

    /// Where it listens.
    let endpoint: Endpoint
    private let descriptor: Int32

    /// Listens on a free port of loopback.
    ///
    /// - Parameter answer: Gets the line without its tag; called from several threads.
    init(
        greeting: Answer, answer: @escaping @Sendable (_ line: String) -> Answer
    ) throws {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let listener = socket(AF_INET, kind, 0)
        descriptor = listener
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, size) == 0 && listen(listener, 16) == 0
                    ? getsockname(listener, pointer, &size) : -1
            }
        }
        guard code == 0 else { throw TestFailure("no server: errno \(errno)") }
        endpoint = Endpoint(host: "127.0.0.1", port: UInt16(bigEndian: address.sin_port))
        try BlockingThread.start {
            while true {
                let client = accept(listener, nil, nil)
                if client < 0 { return }
                do {
                    try BlockingThread.start { HostileServer.serve(client, greeting, answer) }
                } catch {
                    // Without a thread for it the peer finds that nobody speaks.
                    close(client)
                }
            }
        }
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }

    private static func serve(
        _ client: Int32, _ greeting: Answer, _ answer: (String) -> Answer
    ) {
        defer { close(client) }
        guard say(greeting, tag: [], to: client) else { return }
        var (line, byte): ([UInt8], UInt8) = ([], 0)
        while read(client, &byte, 1) == 1 {
            if byte != UInt8(ascii: "\n") {
                line.append(byte)
                continue
            }
            var tag: [UInt8] = []
            if line.first == UInt8(ascii: "@"), let end = line.firstIndex(of: UInt8(ascii: " ")) {
                tag = Array(line[...end])
                line.removeFirst(tag.count)
            }
            let text = String(decoding: line, as: UTF8.self)
            line = []
            guard say(answer(text), tag: tag, to: client) else { return }
        }
    }

    /// - Returns: false where nobody listens any more.
    private static func say(_ answer: Answer, tag: [UInt8], to client: Int32) -> Bool {
        switch answer {
        case .silence: return true
        case .say(let bytes): return send(tagged(bytes, tag), to: client)
        case .forever(let bytes):
            let piece = tagged(bytes, tag)
            while send(piece, to: client) {}
            return false
        }
    }

    private static func tagged(_ bytes: [UInt8], _ tag: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var isAtStart = true
        for byte in bytes {
            if isAtStart, byte == UInt8(ascii: "~") { result += tag } else { result.append(byte) }
            isAtStart = byte == UInt8(ascii: "\n")
        }
        return result
    }

    private static func send(_ bytes: [UInt8], to client: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { raw in
                Glibc.send(client, raw.baseAddress, raw.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

/// A name server and a file server that are both of a test's making, and dfsh between them.
struct HostileCluster {
    /// The greeting of an honest name server.
    static let nameGreeting = "OK DFS/1 role=name id=ns1 max-line=65536 max-data=1048576\n"
    /// The greeting of an honest file server.
    static let fileGreeting = "OK DFS/1 role=file id=m1 epoch=1 max-data=1048576\n"

    /// The first word of a line and what is said to it; lines that are not here get what is usual.
    typealias Script = [String: HostileServer.Answer]

    let cluster: Cluster
    let names: HostileServer
    let files: HostileServer

    /// - Parameters:
    ///   - names: What the name server says; `ADDR` stands for the address of the file server.
    ///   - files: What the file server says; `ADDR` stands for its own address.
    init(
        names: Script = [:], nameGreeting: HostileServer.Answer = .say(Self.nameGreeting),
        files: Script = [:], fileGreeting: HostileServer.Answer = .say(Self.fileGreeting)
    ) throws {
        cluster = try Cluster()
        let place = Place()
        let file = try HostileServer(greeting: fileGreeting) { line in
            let verb = line.split(separator: " ").first.map(String.init) ?? ""
            if case .say(let bytes) = files[verb] {
                let address = [UInt8](place.text.withLock { $0 }.utf8)
                return .say(replacing("ADDR", by: address, in: bytes))
            }
            if let answer = files[verb] { return answer }
            switch verb {
            case "FETCH":
                return .say("~OK size=6 ver=1 fid=1 eof=yes {6}\nhello\n\n")
            case "DIGEST":
                // Of "hello\n".
                return .say(
                    "~OK sha256=5891b5b522d5df086d0ff0b110fbd9d2"
                        + "1bb4fc7163af34d08286a2e846f6be03 size=6 ver=1 fid=1\n")
            default: return .say("~OK\n")
            }
        }
        self.files = file
        let address = file.endpoint.description
        place.text.withLock { $0 = address }
        self.names = try HostileServer(greeting: nameGreeting) { line in
            let verb = line.split(separator: " ").first.map(String.init) ?? ""
            let answer = names[verb] ?? HostileCluster.usual(verb)
            guard case .say(let bytes) = answer else { return answer }
            return .say(replacing("ADDR", by: [UInt8](address.utf8), in: bytes))
        }
    }

    /// Where the file server is, once that is known.
    private final class Place: Sendable {
        let text = Mutex("")
    }

    private static func usual(_ verb: String) -> HostileServer.Answer {
        switch verb {
        case "LOCATE":
            .say("~OK path=/d/f server=m1 addr=ADDR state=up size=6 ver=1 seen=1\n")
        case "LIST": .say("~* file name=f size=6 server=m1 state=up\n~OK count=1\n")
        case "FIND": .say("~* file path=/d/f size=6 server=m1 state=up\n~OK count=1\n")
        case "STAT": .say("~OK type=file size=6 ver=1 fid=1 server=m1 state=up\n")
        case "SERVERS":
            .say("~* server id=m1 addr=ADDR state=up seen=1 files=1 bytes=6 epoch=1\n~OK count=1\n")
        default: .say("~OK\n")
        }
    }

    /// What one run of dfsh gave, and what it left on the disk.
    struct Run {
        let run: ShellRun
        /// Names below the folder it ran in, and below the folder around that.
        let left: Set<String>
    }

    /// Runs dfsh in an empty folder.
    func dfsh(_ arguments: [String]) throws -> Run {
        let around = "\(cluster.folder)/around"
        try FileSystem.makeFolders("\(around)/here")
        let run = try cluster.shell(
            ["-n", names.endpoint.description, "--deadline", "1500"] + arguments,
            folder: "\(around)/here", within: .seconds(60))
        let left = try FileSystem.files(below: [UInt8](around.utf8))
        return Run(run: run, left: Set(left.map { FileSystem.shown($0) }))
    }
}

/// Bytes with others in the place of a word.
func replacing(_ word: String, by other: [UInt8], in bytes: [UInt8]) -> [UInt8] {
    let word = [UInt8](word.utf8)
    var result: [UInt8] = []
    var rest = bytes[...]
    while !rest.isEmpty {
        if rest.starts(with: word) {
            result += other
            rest = rest.dropFirst(word.count)
        } else {
            result.append(rest.removeFirst())
        }
    }
    return result
}
