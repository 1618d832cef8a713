import DFSClient
import DFSProtocol
import Glibc

/// `ls` and its ways of sorting and showing.
struct ListCommand {
    private let session: ShellSession
    private let call: Invocation
    private let isLong: Bool
    private let isHuman: Bool

    static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let command = ListCommand(
            session: session, call: call, isLong: call.has("l"), isHuman: call.has("h"))
        if call.operands.isEmpty {
            return try await command.listDirectory(session.workingDirectory, title: nil)
        }
        let paths = try await session.paths(call.operands)
        let isOne = paths.count == 1 && !call.has("R")
        let typed = call.operands.allSatisfy { $0.bytes.first != TreePath.slash }
        try await session.forEach(paths) { path in
            try await command.list(path, title: isOne ? nil : path, isRelative: typed)
        }
    }

    private func list(_ path: TreePath, title: TreePath?, isRelative: Bool) async throws {
        do throws(DFSError) {
            try await listDirectoryTyped(path, title)
        } catch {
            guard error.known == .notDirectory else { throw error }
            let status = try await session.client.stat(path)
            try await show([status.entry], names: isRelative ? .relative : .path)
        }
    }

    private func listDirectoryTyped(_ path: TreePath, _ title: TreePath?) async throws(DFSError) {
        do {
            try await listDirectory(path, title: title)
        } catch let error as DFSError {
            throw error
        } catch {
            throw DFSError(.internal, path: path, "\(error)")
        }
    }

    private func listDirectory(_ top: TreePath, title: TreePath?) async throws {
        var waiting = [top]
        var title = title
        while let path = waiting.popLast(), !session.output.isBroken {
            let entries = sorted(try await session.client.list(path).all().filter(isShown))
            if let title, !session.output.isJSON { session.output.line("\(title):") }
            try await show(entries, names: .name)
            await session.output.awaitRoom()
            guard call.has("R") else { return }
            waiting += entries.filter { $0.kind == .directory }.map(\.path).reversed()
            if let next = waiting.last, !session.output.isJSON {
                session.output.line("")
                title = next
            }
        }
    }

    private func isShown(_ entry: Entry) -> Bool {
        call.has("a") || entry.name.first != UInt8(ascii: ".")
    }

    private func sorted(_ entries: [Entry]) -> [Entry] {
        var entries = entries
        // The server's order is the last word: equal times and sizes stay in the order of names.
        if call.has("S") {
            entries = ListCommand.stably(entries) { $0.size > $1.size }
        } else if call.has("t") {
            let never = WallTime(seconds: .min)
            entries = ListCommand.stably(entries) {
                ($0.modified ?? never) > ($1.modified ?? never)
            }
        }
        return call.has("r") ? entries.reversed() : entries
    }

    private static func stably(
        _ entries: [Entry], by precedes: (Entry, Entry) -> Bool
    ) -> [Entry] {
        entries.enumerated().sorted { left, right in
            if precedes(left.element, right.element) { return true }
            if precedes(right.element, left.element) { return false }
            return left.offset < right.offset
        }.map(\.element)
    }

    private enum Names {
        case name
        case path
        /// From the working directory, where the path is below it.
        case relative
    }

    private func name(of entry: Entry, _ names: Names) -> String {
        switch names {
        case .name: return EntryText.name(entry, entry.name)
        case .path: return EntryText.name(entry, entry.path.bytes)
        case .relative:
            let rest = entry.path.relative(to: session.workingDirectory) ?? entry.path.bytes[...]
            return EntryText.name(entry, rest)
        }
    }

    private func show(_ entries: [Entry], names: Names) async throws {
        let text = try await EntryText(for: entries, client: session.client)
        if session.output.isJSON {
            for entry in entries { session.output.object(text.object(entry)) }
            return
        }
        let colours = Colours(isOn: session.hasColours)
        let shown = entries.map { entry in
            colours.name(name(of: entry, names), of: entry) + (isLong ? "" : text.mark(entry))
        }
        if isLong {
            let rows = zip(entries, shown).map { entry, name in
                [
                    entry.kind == .file ? "-" : "d", size(of: entry), Amounts.time(entry.modified),
                    entry.server?.text ?? "-", text.state(entry),
                    name + (entry.conflicts.isEmpty ? "" : text.mark(entry)),
                ]
            }
            for line in Columns.table(rows, rightAligned: [1]) { session.output.line(line) }
        } else if session.output.isTerminal, !call.has("1") {
            for line in Columns.fill(shown, width: ListCommand.terminalWidth) {
                session.output.line(line)
            }
        } else {
            for line in shown { session.output.line(line) }
        }
    }

    private func size(of entry: Entry) -> String {
        if entry.kind == .directory { return "-" }
        return isHuman ? Amounts.human(entry.size) : "\(entry.size)"
    }

    private static var terminalWidth: Int {
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? Int(size.ws_col) : 80
    }
}
