import DFSClient
import DFSProtocol

/// What `browse` shows, and what keys and answers make of it; knows neither terminal nor network.
struct BrowseModel {
    /// What is to be done outside.
    enum Effect: Equatable {
        /// A directory is to be listed; the answer comes as `listed` or `notListed`.
        case list(TreePath)
        /// Names with this in them are to be looked for; the answer comes as `found`.
        case find(String)
        case open(TreePath)
        case get([TreePath])
        case quit
        /// The process is to be stopped, as Ctrl-Z asks.
        case stop
        /// The terminal may show something else: all is to be drawn anew.
        case repaint
    }

    /// What keys mean now.
    enum Mode: Equatable {
        case tree
        /// A search is being typed.
        case search(String)
        case help
    }

    /// What is known of a directory.
    enum Contents: Equatable {
        case asked
        case entries([Entry])
        case failed(String)
    }

    /// One line of the tree.
    struct Row: Equatable {
        let path: TreePath
        let depth: Int
        /// nil for a note below a directory.
        let entry: Entry?
        /// Why there are no entries.
        let note: String?
    }

    let top: TreePath
    private(set) var columns: Int
    private(set) var height: Int
    private(set) var mode = Mode.tree
    private(set) var rows: [Row] = []
    /// The row with the cursor; 0 where there is none.
    private(set) var cursor = 0
    /// The first row on the screen.
    private(set) var first = 0
    private(set) var marked: Set<TreePath> = []
    private(set) var servers: [ServerInfo] = []
    /// Why the name server could not be asked; nil where it answered last.
    private(set) var outage: String?
    /// Said in the last line until the next key.
    private(set) var message = ""
    private(set) var contents: [TreePath: Contents] = [:]
    private var expanded: Set<TreePath>
    private var found: [TreePath] = []
    /// Where the cursor goes as soon as there is such a row.
    private var wanted: TreePath?

    /// Starts with nothing known; `start()` says what is to be asked.
    init(top: TreePath, columns: Int, height: Int) {
        self.top = top
        (self.columns, self.height) = (columns, height)
        expanded = [top]
    }

    /// What is asked first.
    mutating func start() -> [Effect] {
        contents[top] = .asked
        layOut()
        return [.list(top)]
    }

    /// The row with the cursor.
    var current: Row? { rows.indices.contains(cursor) ? rows[cursor] : nil }

    /// How many rows of the tree fit between title and last line.
    var page: Int { max(1, height - 2) }

    // MARK: - Answers

    /// Takes the entries of a directory.
    ///
    /// - Returns: What is to be listed on the way to a name that was found.
    mutating func listed(_ directory: TreePath, _ entries: [Entry]) -> [Effect] {
        contents[directory] = .entries(entries)
        // What is gone can neither be got nor seen.
        let names = Set(entries.map(\.path))
        marked = marked.filter { $0.parent != directory || names.contains($0) }
        layOut()
        return wanted.map { reveal($0) } ?? []
    }

    /// Takes why a directory could not be listed; what was known of it stays.
    mutating func notListed(_ directory: TreePath, _ reason: String) {
        if case .entries = contents[directory] {
            message = reason
        } else {
            contents[directory] = .failed(reason)
        }
        layOut()
    }

    /// Takes how the servers are.
    ///
    /// - Returns: What is to be listed anew because something has changed.
    mutating func heard(_ servers: [ServerInfo]) -> [Effect] {
        let hadOutage = outage != nil
        let before = self.servers.map(Sign.init)
        self.servers = servers
        outage = nil
        return hadOutage || before != servers.map(Sign.init) ? refreshed() : []
    }

    /// Takes why the name server could not be asked.
    mutating func notHeard(_ reason: String) { outage = reason }

    /// What of a server changes the tree when it changes.
    private struct Sign: Equatable {
        let id: ServerID
        let state: ServerState
        let isAway: Bool
        let files: Int64
        let bytes: Int64
        let epoch: Int64?

        init(_ server: ServerInfo) {
            (id, state, isAway) = (server.id, server.state, server.isAway)
            (files, bytes, epoch) = (server.files, server.bytes, server.epoch)
        }
    }

    /// Takes what a search found, in the order of the tree.
    mutating func found(_ paths: [TreePath], for text: String) -> [Effect] {
        found = paths
        guard let next = paths.first(where: { isBehindCursor($0) }) ?? paths.first else {
            message = "nothing below \(top) has \(Quoting.text([UInt8](text.utf8))) in its name"
            return []
        }
        message = paths.count == 1 ? "" : "\(paths.count) found; n and N go to the others"
        return reveal(next)
    }

    mutating func say(_ text: String) { message = text }

    mutating func resize(columns: Int, height: Int) {
        (self.columns, self.height) = (columns, height)
        keepCursorInSight()
    }
}

// MARK: - Keys

extension BrowseModel {
    /// What a key does.
    mutating func press(_ key: BrowseKey) -> [Effect] {
        if key == .control("c") { return [.quit] }
        if key == .control("z") { return [.stop] }
        if key == .control("l") { return [.repaint] }
        switch mode {
        case .help:
            mode = .tree
            return []
        case .search(let text): return pressInSearch(key, text)
        case .tree:
            message = ""
            return pressInTree(key)
        }
    }

    private mutating func pressInSearch(_ key: BrowseKey, _ text: String) -> [Effect] {
        switch key {
        case .enter:
            mode = .tree
            return text.isEmpty ? [] : [.find(text)]
        case .escape: mode = .tree
        case .backspace: mode = text.isEmpty ? .tree : .search(String(text.dropLast()))
        case .character(let character): mode = .search(text + character)
        default: break
        }
        return []
    }

    private mutating func pressInTree(_ key: BrowseKey) -> [Effect] {
        switch key {
        case .up, .character("k"): move(to: cursor - 1)
        case .down, .character("j"): move(to: cursor + 1)
        case .pageUp, .control("b"): move(to: cursor - page)
        case .pageDown, .control("f"): move(to: cursor + page)
        case .home, .character("0"): move(to: 0)
        case .end, .character("G"): move(to: rows.count - 1)
        case .left, .character("h"): goLeft()
        case .right, .character("l"): return goRight()
        case .enter: return enter()
        case .character(" "): mark()
        case .character("g"): return getMarked()
        case .character("/"): mode = .search("")
        case .character("n"): return goToFound(forward: true)
        case .character("N"): return goToFound(forward: false)
        case .character("r"): return refreshed()
        case .character("?"): mode = .help
        case .character("q"), .escape: return [.quit]
        default: break
        }
        return []
    }

    private mutating func move(to row: Int) {
        wanted = nil
        cursor = min(max(0, row), max(0, rows.count - 1))
        keepCursorInSight()
    }

    private mutating func goLeft() {
        guard let row = current else { return }
        if row.entry?.kind == .directory, expanded.contains(row.path) {
            expanded.remove(row.path)
            layOut()
        } else if let parent = row.entry == nil ? row.path : row.path.parent,
            let place = rows.firstIndex(where: { $0.path == parent && $0.entry != nil })
        {
            move(to: place)
        }
    }

    private mutating func goRight() -> [Effect] {
        guard let row = current, row.entry?.kind == .directory else { return [] }
        if expanded.contains(row.path) {
            move(to: cursor + 1)
            return []
        }
        return expand(row.path)
    }

    private mutating func enter() -> [Effect] {
        guard let row = current, let entry = row.entry else { return [] }
        if entry.kind == .directory {
            if !expanded.contains(row.path) { return expand(row.path) }
            expanded.remove(row.path)
            layOut()
            return []
        }
        guard entry.isAvailable else {
            message = "\(entry.path) can not be had now:\(reason(entry))"
            return []
        }
        return [.open(entry.path)]
    }

    private mutating func expand(_ directory: TreePath) -> [Effect] {
        expanded.insert(directory)
        // What was known is shown until the answer comes.
        if contents[directory] == nil { contents[directory] = .asked }
        layOut()
        return [.list(directory)]
    }

    private mutating func mark() {
        guard let row = current, row.entry != nil else { return }
        if marked.remove(row.path) == nil { marked.insert(row.path) }
        move(to: cursor + 1)
    }

    private mutating func getMarked() -> [Effect] {
        if !marked.isEmpty { return [.get(marked.sorted())] }
        guard let row = current, row.entry != nil else { return [] }
        return [.get([row.path])]
    }

    /// Forgets the marks, once what had them was brought.
    mutating func unmark() { marked = [] }

    /// What is to be listed anew: every directory that is open.
    mutating func refreshed() -> [Effect] {
        let open = expanded.filter { contents[$0] != nil }.sorted()
        for directory in open {
            if case .failed = contents[directory] { contents[directory] = .asked }
        }
        layOut()
        return open.map { .list($0) }
    }

    private mutating func goToFound(forward: Bool) -> [Effect] {
        guard !found.isEmpty else {
            message = "\"/\" searches"
            return []
        }
        let next =
            forward
            ? found.first(where: { isBehindCursor($0) }) ?? found.first
            : found.last(where: { $0 != current?.path && !isBehindCursor($0) }) ?? found.last
        return next.map { reveal($0) } ?? []
    }

    private func isBehindCursor(_ path: TreePath) -> Bool {
        current.map { $0.path < path } ?? true
    }

    /// Opens what is above a path and goes there, as soon as that has been listed.
    private mutating func reveal(_ path: TreePath) -> [Effect] {
        wanted = path
        var effects: [Effect] = []
        var above = path.parent
        while let directory = above, directory.isWithin(top) {
            expanded.insert(directory)
            if contents[directory] == nil {
                contents[directory] = .asked
                effects.append(.list(directory))
            }
            above = directory.parent
        }
        layOut()
        return effects.reversed()
    }
}

// MARK: - Rows

extension BrowseModel {
    /// Makes the rows anew; the cursor stays at its path, or else near its place.
    private mutating func layOut() {
        let place = wanted ?? current?.path
        let isNote = wanted == nil && current.map { $0.entry == nil } ?? false
        var rows: [Row] = []
        add(top, depth: 0, to: &rows)
        self.rows = rows
        if let place,
            let row = rows.firstIndex(where: {
                $0.path == place && ($0.entry == nil) == isNote
            })
        {
            cursor = row
            if wanted == place { wanted = nil }
        }
        cursor = min(cursor, max(0, rows.count - 1))
        keepCursorInSight()
    }

    private func add(_ directory: TreePath, depth: Int, to rows: inout [Row]) {
        func note(_ text: String) {
            rows.append(Row(path: directory, depth: depth, entry: nil, note: text))
        }
        switch contents[directory] {
        case nil, .asked: note("asking ...")
        case .failed(let reason): note(reason)
        case .entries(let entries) where entries.isEmpty: note("empty")
        case .entries(let entries):
            for entry in entries {
                rows.append(Row(path: entry.path, depth: depth, entry: entry, note: nil))
                if entry.kind == .directory, expanded.contains(entry.path) {
                    add(entry.path, depth: depth + 1, to: &rows)
                }
            }
        }
    }

    private mutating func keepCursorInSight() {
        if cursor < first { first = cursor }
        if cursor >= first + page { first = cursor - page + 1 }
        first = max(0, min(first, rows.count - page))
    }

    /// Whether a directory is open.
    func isOpen(_ path: TreePath) -> Bool { expanded.contains(path) }

    /// Why an entry can not be had, in the words of `ls`.
    func reason(_ entry: Entry) -> String { EntryText(servers: servers).mark(entry) }
}
