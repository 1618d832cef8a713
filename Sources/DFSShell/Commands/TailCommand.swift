import DFSClient
import DFSProtocol

/// `tail`: the last lines of a file, and what is added to it.
enum TailCommand {
    static let all: [Command] = [Command(row: tail, run: run)]

    private static let tail = CommandSpecification(
        "tail", .files, [.init("path", .remotePath)],
        options: [
            .init("n", "how many lines; 10 unless given", value: .number),
            .init(
                "f",
                "goes on with what is added, over outages too, until Ctrl-C or the file is replaced"
            ),
        ],
        "Writes the last lines of a file to standard output.",
        examples: [
            ("tail /A/log", "the last 10 lines"),
            ("tail -n 2 -f /A/log", "the last two, and each line that is added"),
            ("tail -f /A/log", "dfsh --deadline MS says how long it waits for a server at most"),
        ], exits: [.notFound, .denied, .temporary, .unreachable, .conflict, .interrupted])

    /// Bytes that one step back from the end reads.
    private static let stepBytes: Int64 = 65_536

    private static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let path = try await session.onePath(call.operands[0])
        let lines = call.number("n") ?? 10
        guard call.has("f") else {
            let file = try await session.client.open(path, .read)
            try await writeOrClose(lines, of: file, session)
            _ = try await file.close()
            return
        }
        let following = try await session.client.follow(path)
        try await writeOrClose(lines, of: following.file, session)
        session.output.flush()
        try await session.output.whileRead {
            try await session.showOverOutages(following, of: path)
        }
    }

    /// Writes the last lines of a file; its session does not outlive a failure.
    private static func writeOrClose(
        _ lines: Int64, of file: RemoteFile, _ session: ShellSession
    ) async throws {
        do {
            try await write(lines, of: file, session)
        } catch {
            // Nobody waits for it: it only read, and at worst it ends with its connection. A task
            // of its own is not cancelled by Ctrl-C.
            Task { _ = try? await file.close() }
            throw error
        }
    }

    /// Writes the last lines of a file, as it was when it was opened.
    private static func write(
        _ lines: Int64, of file: RemoteFile, _ session: ShellSession
    ) async throws {
        let end = file.facts.size
        var place = try await start(of: lines, in: file, end: end)
        while place < end {
            let count = Int(min(end - place, Int64(file.pieceBytes)))
            let piece = try await file.read(at: place, count: count).bytes
            // Cut meanwhile: a follower tells, and nobody else needs to know.
            if piece.readableBytes == 0 { break }
            try await session.output.content(piece.readableBytesView, of: file.path)
            place += Int64(piece.readableBytes)
        }
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
    /// Writes a file's bytes as they come, until it is replaced or the task is cancelled.
    ///
    /// - Parameter place: Where what was written ends in the file.
    func show(_ following: Following, of path: TreePath, place: inout Int64) async throws {
        for try await event in following {
            switch event {
            case .bytes(let bytes, let offset):
                place = offset + Int64(bytes.readableBytes)
                try await output.content(bytes.readableBytesView, of: path)
                // What is added is shown now, and not when there is more.
                output.flush()
            case .truncated(let size):
                place = size
                output.complain("\(path): was cut to \(Amounts.sentence(size))")
            case .end: throw replaced(path)
            }
        }
    }

    private func replaced(_ path: TreePath) -> ShellFailure {
        ShellFailure(
            .conflict, "\(path): was replaced or removed; nothing is added to it any more")
    }

    /// As `show` does, and waits where the file server is away; then goes on where it was.
    ///
    /// - Throws: Why the server is away, once `outagePatience` has passed.
    func showOverOutages(_ first: Following, of path: TreePath) async throws {
        var following = first
        var place = first.offset
        while true {
            do {
                return try await show(following, of: path, place: &place)
            } catch let error as DFSError where error.known == .staleFile {
                throw replaced(path)
            } catch let error as DFSError where error.mayPass {
                following = try await again(after: error, following, at: place)
            }
        }
    }

    private func again(
        after error: DFSError, _ following: Following, at place: Int64
    ) async throws -> Following {
        do {
            return try await following.file.followedAgain(after: error, at: place, self)
        } catch let error as DFSError where error.known == .staleFile {
            throw replaced(following.file.path)
        }
    }
}

extension DFSError {
    /// Whether waiting can end it: the server is away, or can not do it just now.
    fileprivate var mayPass: Bool {
        category == .temporary || category == .unreachable || retryMilliseconds != nil
    }
}

extension RemoteFile {
    /// Follows the same file from a place on, once its server is back.
    ///
    /// - Throws: As `showOverOutages` does; where another file has the name now, that it was
    ///   replaced.
    fileprivate func followedAgain(
        after error: DFSError, at place: Int64, _ session: ShellSession
    ) async throws -> Following {
        let end = session.outagePatience.map { ContinuousClock.now + $0 }
        session.output.complain(
            "\(ErrorSentence.absence(error, of: path)); waiting until it is back (Ctrl-C ends this)"
        )
        while true {
            // DFSClient takes no notices of WATCH, so it is tried. A cancelled pause throws.
            try await Task.sleep(for: .seconds(1))
            do {
                let next = try await session.client.follow(path, at: place)
                let (old, new) = (facts.fileID, next.file.facts.fileID)
                guard next.file.server == server, old == new || old == 0 || new == 0 else {
                    throw DFSError(.staleFile, path: path, "another file has its name")
                }
                session.output.complain("\(path): file server \(server) is back")
                return next
            } catch let error as DFSError where error.known == .notFound {
                throw DFSError(.staleFile, path: path, "nothing has its name")
            } catch let error as DFSError where error.mayPass {
                if let end, .now >= end { throw error }
            }
        }
    }
}
