import DFSClient
import DFSProtocol

/// `tail`: the last lines of a file, and what is added to it.
enum TailCommand {
    static let all: [Command] = [Command(row: tail, run: run)]

    private static let tail = CommandSpecification(
        "tail", .files, [.init("path", .remotePath)],
        options: [
            .init("n", "how many lines; 10 unless given", value: .number),
            .init("f", "goes on with what is added, until Ctrl-C or the file is replaced"),
        ],
        "Writes the last lines of a file to standard output.",
        examples: [
            ("tail /A/log", "the last 10 lines"),
            ("tail -n 2 -f /A/log", "the last two, and each line that is added"),
        ], exits: [.notFound, .denied, .temporary, .unreachable, .conflict, .interrupted])

    /// Bytes that one step back from the end reads.
    private static let stepBytes: Int64 = 65_536

    private static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let path = try await session.onePath(call.operands[0])
        let lines = call.number("n") ?? 10
        let following = call.has("f") ? try await session.client.follow(path) : nil
        let file: RemoteFile
        if let following {
            file = following.file
        } else {
            file = try await session.client.open(path, .read)
        }
        let end = file.facts.size
        let start = try await start(of: lines, in: file, end: end)
        var place = start
        while place < end, !session.output.isBroken {
            let count = Int(min(end - place, Int64(file.pieceBytes)))
            let piece = try await file.read(at: place, count: count).bytes
            // Cut meanwhile: the follower tells, and nobody else needs to know.
            if piece.readableBytes == 0 { break }
            session.output.write(Array(piece.readableBytesView))
            place += Int64(piece.readableBytes)
        }
        guard let following, !session.output.isBroken else {
            _ = try await file.close()
            return
        }
        session.output.flush()
        try await session.show(following, of: path)
    }

    /// Where the last lines start; an unfinished last line counts as one.
    private static func start(
        of lines: Int64, in file: RemoteFile, end: Int64
    ) async throws -> Int64 {
        if lines == 0 { return end }
        var found: Int64 = 0
        var place = end
        while place > 0 {
            let count = min(place, stepBytes)
            place -= count
            let bytes = Array(
                try await file.read(at: place, count: Int(count)).bytes.readableBytesView)
            for index in bytes.indices.reversed() where bytes[index] == UInt8(ascii: "\n") {
                let next = place + Int64(index) + 1
                // The end of the last line begins no other.
                if next == end { continue }
                found += 1
                if found == lines { return next }
            }
        }
        return 0
    }
}

extension ShellSession {
    /// Writes a file's bytes as they come, until it is replaced, nobody reads, or Ctrl-C.
    func show(_ following: Following, of path: TreePath) async throws {
        for try await event in following {
            switch event {
            case .bytes(let bytes, _):
                output.write(Array(bytes.readableBytesView))
                // What is added is shown now, and not when there is more.
                output.flush()
                if output.isBroken { throw ShellFailure.told(.failed) }
            case .truncated(let size):
                output.complain("\(path): was cut to \(Amounts.sentence(size))")
            case .end:
                throw ShellFailure(
                    .conflict, "\(path): was replaced or removed; nothing is added to it any more")
            }
        }
    }
}
