import DFSClient
import Glibc

/// Stores a greeting in the shared tree, finds it again, reads a part of it, and removes it.
///
///     cd Examples/Swift && swift run first-steps 127.0.0.1:7400 /home
@main
struct FirstSteps {
    static func main() async {
        let nameServer: Endpoint
        let directory: TreePath
        do {
            guard CommandLine.arguments.count == 3 else {
                return end("usage: first-steps HOST:PORT DIRECTORY", 2)
            }
            nameServer = try Endpoint(CommandLine.arguments[1])
            directory = try TreePath(CommandLine.arguments[2])
        } catch {
            return end("first-steps: \(error.advice)", 2)
        }

        var options = ClientOptions()
        options.deadline = .seconds(5)  // without an answer a call gives up after that time
        let client = DFSClient(nameServers: [nameServer], options: options)
        do {
            try await greet(client, directory)
        } catch let error as DFSError {
            await client.close()
            return end("failed: \(error.code) \(advice(error))", 1)
        } catch {
            await client.close()
            return end("failed: \(error)", 1)
        }
        await client.close()
    }

    static func end(_ sentence: String, _ code: Int32) {
        print(sentence)
        exit(code)
    }

    static func greet(_ client: DFSClient, _ directory: TreePath) async throws {
        let path = try TreePath(directory.bytes + Array("/greeting.txt".utf8))

        // Whole files: atomic, on the disk when the call returns, and verified.
        var pieces = [ByteBuffer(string: "Hello from Swift!\n")]
        let stored = try await client.store(path) { pieces.popLast() }
        print("stored \(stored.size) bytes")

        // The name server says who has it.
        let place = try await client.locate(path)
        print("it is on \(place.server), which is \(place.state.isAvailable ? "up" : "away")")

        // A session: parts of a file, at offsets. With a lease it survives a lost connection, which
        // is then no error here.
        let file = try await client.open(path, .readWrite, lease: .seconds(30))
        try await file.write(ByteBuffer(string: "HELLO"), at: 0)
        let part = try await file.read(at: 0, count: 10)
        print("it starts with \(String(buffer: part.bytes))")
        _ = try await file.close()

        // Listings come page by page; files on a server that is down are in them, and say so.
        for try await entry in client.list(directory) where entry.kind == .file {
            // A path prints itself quoted, so that no name can do anything to a terminal.
            print("\(entry.path): \(entry.size) bytes\(entry.isAvailable ? "" : ", not available now")")
        }

        try await client.remove(path)
    }

    /// What a program can do about a failure.
    static func advice(_ error: DFSError) -> String {
        switch error.category {
        case .temporary, .unreachable: "(try again later)"
        case .notFound: "(it is not there)"
        case .conflict: "(look first who else changed it)"
        default: "(doing the same again will not help)"
        }
    }
}
