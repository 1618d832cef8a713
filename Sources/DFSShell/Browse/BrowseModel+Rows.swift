import DFSClient
import DFSProtocol

/// The rows of the tree, and which names are still to be asked for.
extension BrowseModel {
    /// Opens what is above a path and goes there, as soon as that has been listed.
    mutating func reveal(_ path: TreePath) -> [Effect] {
        wanted = path
        var effects: [Effect] = []
        var above = path.parent
        while let directory = above, directory.isWithin(top) {
            expanded.insert(directory)
            if contents[directory] == nil {
                contents[directory] = .asked
                effects += ask(directory)
            }
            above = directory.parent
        }
        layOut()
        return effects.reversed()
    }

    /// What is to be listed further: where the rest of a directory comes into sight, or lies on the
    /// way to a name or to the end.
    mutating func needs() -> [Effect] {
        let sight = rows.dropFirst(first).prefix(2 * page)
        var wishes = sight.filter(\.isRest).map(\.path)
        if goesToEnd, let last = rows.last, last.isRest { wishes.append(last.path) }
        var below = wanted
        while let path = below, let directory = path.parent, directory.isWithin(top) {
            if case .entries(let entries, false) = contents[directory],
                entries.last.map({ $0.path < path }) ?? false
            {
                wishes.append(directory)
            }
            below = directory
        }
        return wishes.filter { !halted.contains($0) && asked.insert($0).inserted }
            .map { .more($0) }
    }

    /// Makes the rows anew; the cursor stays at its path, or else near its place.
    mutating func layOut() {
        // Where the rest was, its first name is to come.
        let isAtRest = current?.isRest ?? false
        let place = wanted ?? (isAtRest ? nil : current?.path)
        let isNote = wanted == nil && current.map { $0.entry == nil } ?? false
        var rows: [Row] = []
        add(top, depth: 0, to: &rows)
        self.rows = rows
        if let place,
            let row = rows.firstIndex(where: {
                $0.path == place && ($0.entry == nil) == isNote && !$0.isRest
            })
        {
            cursor = row
            if wanted == place { wanted = nil }
        }
        cursor = goesToEnd ? max(0, rows.count - 1) : min(cursor, max(0, rows.count - 1))
        keepCursorInSight()
    }

    private func add(_ directory: TreePath, depth: Int, to rows: inout [Row]) {
        func note(_ text: String) {
            rows.append(Row(path: directory, depth: depth, entry: nil, note: text))
        }
        switch contents[directory] {
        case nil, .asked: note("asking ...")
        case .failed(let reason): note(reason)
        case .entries(let entries, isWhole: true) where entries.isEmpty: note("empty")
        case .entries(let entries, let isWhole):
            for entry in entries {
                rows.append(Row(path: entry.path, depth: depth, entry: entry, note: nil))
                if entry.kind == .directory, expanded.contains(entry.path) {
                    add(entry.path, depth: depth + 1, to: &rows)
                }
            }
            if isWhole { return }
            rows.append(
                Row(path: directory, depth: depth, entry: nil, note: "more names", isRest: true))
        }
    }

    mutating func keepCursorInSight() {
        if cursor < first { first = cursor }
        if cursor >= first + page { first = cursor - page + 1 }
        first = max(0, min(first, rows.count - page))
    }

    /// Whether a directory is open.
    func isOpen(_ path: TreePath) -> Bool { expanded.contains(path) }

    /// Why an entry can not be had, in the words of `ls`.
    func reason(_ entry: Entry) -> String { EntryText(servers: servers).mark(entry) }
}
