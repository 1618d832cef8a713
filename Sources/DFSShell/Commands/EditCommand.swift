import DFSClient
import DFSProtocol
import Glibc

/// `edit`: a file of the tree in the person's editor, stored back only over what was fetched.
struct EditCommand {
    static let all: [Command] = [Command(row: edit, run: run)]

    private static let edit = CommandSpecification(
        "edit", aliases: ["vi"], .files, [.init("path", .remotePath)],
        "Edits a file in VISUAL, else EDITOR, and stores what was changed, over nobody's change.",
        examples: [
            ("edit /A/notes.txt", "a file that is not there is made, where something was written"),
            ("edit /A/config", "changed by another meanwhile: your text is kept, exit code 8"),
        ],
        exits: [.notFound, .denied, .temporary, .unreachable, .integrity, .conflict])

    private let session: ShellSession
    private let path: TreePath
    /// A command line of `sh`.
    private let editor: String
    /// One request carries so much, and only then a version is compared as the file is replaced.
    private let limit: Int

    private static func run(_ session: ShellSession, _ call: Invocation) async throws {
        if session.isJob { throw ShellFailure(.usage, "edit: needs the terminal, and not an &") }
        let path = try await session.onePath(call.operands[0])
        let choice = session.programs
        // One that was named may need no terminal; any other waits for keys that never come.
        guard choice.namedEditor != nil || isatty(STDIN_FILENO) == 1 && session.output.isTerminal
        else {
            throw ShellFailure(
                .usage, "edit: needs a terminal, or an editor that VISUAL or EDITOR names")
        }
        guard let editor = choice.editor else {
            throw ShellFailure(
                .failed, "no editor was found; VISUAL or EDITOR names one, such as EDITOR=nano")
        }
        let command = EditCommand(
            session: session, path: path, editor: editor, limit: session.client.options.pieceBytes)
        try await command.run()
    }

    private func run() async throws {
        let entry = try await checkedEntry()
        let copy = try PrivateCopy(of: path.name)
        var before: [UInt8]?
        var origin: PrivateCopy.Origin?
        let code: Int32
        do {
            if entry != nil {
                origin = try await copy.receive(path, from: session.client)
                before = try copy.contents(atMost: limit)
            }
            _ = await session.output.settle()
            code = try await LocalProgram(shell: editor, copy.path).run()
        } catch {
            copy.remove()
            throw error
        }
        guard let after = try changed(copy, since: before) else {
            copy.remove()
            try Task.checkCancellation()
            try check(code, kept: "")
            return session.output.complain("\(path): not changed, and nothing was stored")
        }
        if Task.isCancelled {
            throw ShellFailure(
                .interrupted, "\(path): interrupted; nothing was stored, and \(kept(copy))")
        }
        try check(code, kept: "; nothing was stored, and " + kept(copy))
        try await store(after, from: copy, over: origin)
        copy.remove()
        session.output.complain("\(path): stored, \(Amounts.sentence(Int64(after.count)))")
    }

    /// What is to be edited; nil where nothing has the name and it may be made.
    private func checkedEntry() async throws -> Entry? {
        guard let entry = try await session.entry(at: path) else {
            if let parent = path.parent, try await session.entry(at: parent) == nil {
                throw DFSError(.notFound, path: parent, "")
            }
            return nil
        }
        guard entry.kind == .file else { throw DFSError(.isDirectory, path: path, "") }
        guard entry.size <= limit else {
            throw ShellFailure(
                .failed,
                "\(path): has \(Amounts.sentence(entry.size)), and \"edit\" takes at most "
                    + "\(Amounts.sentence(Int64(limit))); get it, edit it here, and put it back")
        }
        return entry
    }

    /// The new content; nil where it is as before.
    private func changed(_ copy: PrivateCopy, since before: [UInt8]?) throws -> [UInt8]? {
        do {
            let after = try copy.contents(atMost: limit)
            // An editor that was left without writing makes no file; nobody empties one by that.
            return after == before ? nil : after
        } catch let failure as ShellFailure {
            throw ShellFailure(failure.code, "\(path): \(failure.sentence); \(kept(copy))")
        }
    }

    private func check(_ code: Int32, kept: String) throws {
        guard code != 0 else { return }
        let name = Quoting.text([UInt8](editor.utf8))
        let end = code > 128 ? "was ended by signal \(code - 128)" : "ended with \(code)"
        throw ShellFailure(.failed, "\(path): the editor \(name) \(end)\(kept)")
    }

    /// Stores over what was fetched, or where still nothing is.
    private func store(
        _ bytes: [UInt8], from copy: PrivateCopy, over origin: PrivateCopy.Origin?
    ) async throws {
        do {
            if let origin {
                // Versions count the changes of one file: another one of the same name is told by
                // its identity, and only what comes after this question is left to the version.
                let now = try await session.client.fetch(path, offset: 0, count: 1).facts
                guard now.fileID == origin.fileID else {
                    throw DFSError(.conflict, path: path, "another file has the name")
                }
            } else {
                // A claim is refused where somebody else made the file meanwhile.
                _ = try await session.client.create(path)
            }
            var rest: ByteBuffer? = ByteBuffer(bytes: bytes)
            _ = try await session.client.store(path, ifVersion: origin?.version) {
                defer { rest = nil }
                return rest
            }
        } catch {
            throw refusal(await session.explained(error), copy)
        }
    }

    /// Why it was not stored, where the person's text is, and what to do with it.
    private func refusal(_ error: any Error, _ copy: PrivateCopy) -> ShellFailure {
        let failure = ShellFailure(error)
        let place = Word.typed(copy.path)
        let target = Word.typed(path.bytes)
        let known = (error as? DFSError)?.known
        let reason: String? =
            switch known {
            case .conflict: "somebody else changed it meanwhile, and nothing was overwritten"
            case .exists: "somebody else made it meanwhile, and nothing was overwritten"
            case .notFound: "it was removed or renamed meanwhile"
            default: nil
            }
        guard let reason else {
            return ShellFailure(
                failure.code,
                "\(failure.sentence); \(kept(copy)); bring it back with \"put \(place) \(target)\"")
        }
        let look = known == .notFound ? "" : "look at theirs with \"cat \(target)\", and "
        return ShellFailure(
            .conflict,
            "\(path): \(reason); \(kept(copy)): \(look)store yours with \"put \(place) \(target)\"")
    }

    private func kept(_ copy: PrivateCopy) -> String {
        "your text is in \(Word.typed(copy.path))"
    }
}
