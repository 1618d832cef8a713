import DFSClient
import DFSProtocol

/// What `browse` shows, and what keys and answers make of it; knows neither terminal nor network.
struct BrowseModel {
    /// What is to be done outside.
    enum Effect: Equatable {
        /// A directory is to be listed from its first name on, as far as so many names reach; the
        /// answer comes as `listed` or `notListed`.
        case list(TreePath, atLeast: Int = 1)
        /// The next names of a directory are to be listed; the answer comes in the same way.
        case more(TreePath)
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
        /// From the first name on; the rest is asked for when it comes into sight.
        case entries([Entry], isWhole: Bool)
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
        /// Whether it stands for names that have not been asked for.
        var isRest = false
    }

    let top: TreePath
    private(set) var columns: Int
    private(set) var height: Int
    var mode = Mode.tree
    var rows: [Row] = []
    /// The row with the cursor; 0 where there is none.
    var cursor = 0
    /// The first row on the screen.
    var first = 0
    var marked: Set<TreePath> = []
    private(set) var servers: [ServerInfo] = []
    /// Why the name server could not be asked; nil where it answered last.
    private(set) var outage: String?
    /// Said in the last line until the next key.
    var message = ""
    var contents: [TreePath: Contents] = [:]
    var expanded: Set<TreePath>
    var found: [TreePath] = []
    /// Where the cursor goes as soon as there is such a row.
    var wanted: TreePath?
    /// Whether the cursor goes to the last row, however many names are to be asked for until then.
    var goesToEnd = false
    /// Directories that are being listed: one question at a time for each.
    var asked: Set<TreePath> = []
    /// Those of them that may have changed since.
    private var changed: Set<TreePath> = []
    /// Directories whose rest could not be had; the next key asks again.
    var halted: Set<TreePath> = []
    /// The number of the tree's last change, as the name server counts.
    private var changes: Int64?
    private var isOutdated = false

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
        return ask(top)
    }

    /// The row with the cursor.
    var current: Row? { rows.indices.contains(cursor) ? rows[cursor] : nil }

    /// How many rows of the tree fit between title and last line.
    var page: Int { max(1, height - 2) }

    // MARK: - Answers

    /// Takes the entries of a directory.
    ///
    /// - Parameter continues: Whether they stand behind those that are known, or for all of them.
    /// - Returns: What is to be listed now.
    mutating func listed(
        _ directory: TreePath, _ entries: [Entry], isWhole: Bool = true, continues: Bool = false
    ) -> [Effect] {
        var all = entries
        if continues, case .entries(let known, _) = contents[directory] { all = known + entries }
        contents[directory] = .entries(all, isWhole: isWhole)
        dropMarks(in: directory, all, isWhole)
        layOut()
        return answered(directory) + (wanted.map { reveal($0) } ?? [])
    }

    /// Takes why a directory could not be listed; what was known of it stays.
    mutating func notListed(_ directory: TreePath, _ reason: String) -> [Effect] {
        if case .entries = contents[directory] {
            message = reason
            halted.insert(directory)
        } else {
            contents[directory] = .failed(reason)
        }
        layOut()
        return answered(directory)
    }

    /// What is gone can neither be got nor seen.
    private mutating func dropMarks(in directory: TreePath, _ all: [Entry], _ isWhole: Bool) {
        guard marked.contains(where: { $0.parent == directory }) else { return }
        let names = Set(all.map(\.path))
        let end = isWhole ? nil : all.last?.path
        marked = marked.filter { path in
            path.parent != directory || names.contains(path) || end.map { $0 < path } ?? false
        }
    }

    /// Asks for a directory as far as it is known; where it is being asked for, once more after.
    mutating func ask(_ directory: TreePath) -> [Effect] {
        guard asked.insert(directory).inserted else {
            changed.insert(directory)
            return []
        }
        var count = 1
        if case .entries(let entries, _) = contents[directory] { count = max(1, entries.count) }
        return [.list(directory, atLeast: count)]
    }

    private mutating func answered(_ directory: TreePath) -> [Effect] {
        asked.remove(directory)
        return changed.remove(directory) == nil ? [] : ask(directory)
    }

    /// Takes how the servers are.
    ///
    /// - Parameters:
    ///   - changes: The number of the tree's last change; nil where it is not known.
    ///   - mayList: Whether the tree may be asked for now; else that is done with a later call.
    /// - Returns: What is to be listed anew because something has changed.
    mutating func heard(
        _ servers: [ServerInfo], changes: Int64? = nil, mayList: Bool = true
    ) -> [Effect] {
        if outage != nil || changes != self.changes
            || self.servers.map(Sign.init) != servers.map(Sign.init)
        {
            isOutdated = true
        }
        self.servers = servers
        self.changes = changes
        outage = nil
        guard isOutdated, mayList else { return [] }
        isOutdated = false
        return refreshed()
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
