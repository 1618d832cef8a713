import DFSClient
import DFSProtocol

/// What keys do.
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
            goesToEnd = false
            halted = []
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
        case .end, .character("G"):
            move(to: rows.count - 1)
            goesToEnd = true
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
            message = "\(entry.path) can not be had now \(reason(entry).drop { $0 == " " })"
            return []
        }
        return [.open(entry.path)]
    }

    private mutating func expand(_ directory: TreePath) -> [Effect] {
        expanded.insert(directory)
        // What was known is shown until the answer comes.
        if contents[directory] == nil { contents[directory] = .asked }
        layOut()
        return ask(directory)
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
        halted = []
        let open = expanded.filter { contents[$0] != nil }.sorted()
        for directory in open {
            if case .failed = contents[directory] { contents[directory] = .asked }
        }
        layOut()
        return open.flatMap { ask($0) }
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

    func isBehindCursor(_ path: TreePath) -> Bool {
        current.map { $0.path < path } ?? true
    }
}
