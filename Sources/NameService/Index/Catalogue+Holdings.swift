import DFSProtocol

/// Which servers have something under a name: one owner or first holder, and others beside it.
extension Catalogue {
    /// All servers that have something at a node, the owner or first holder first.
    func servers(at node: UInt32) -> [UInt16] {
        let record = records[Int(node)]
        var result = record.server == 0 || record.isClaim ? [] : [record.server]
        if record.flags.contains(.shared) { result += (holdings[node] ?? []).map(\.server) }
        return result
    }

    /// The servers that have this directory on disk, without those that have a file of its name.
    func holders(of directory: UInt32) -> [UInt16] {
        let record = records[Int(directory)]
        var result = record.server == 0 ? [] : [record.server]
        if record.flags.contains(.shared) {
            result += (holdings[directory] ?? []).filter { $0.facts == nil }.map(\.server)
        }
        return result
    }

    /// The other servers that have a file of this name, in no order that matters.
    ///
    /// - Parameter shown: The server whose file is told; 0 for the one that answers to the name.
    func rivals(at node: UInt32, of shown: UInt16 = 0) -> [UInt16] {
        let record = records[Int(node)]
        guard record.flags.contains(.shared) else { return [] }
        var all = (holdings[node] ?? []).filter { $0.facts != nil }.map(\.server)
        if record.isFile { all.append(record.server) }
        let present = shown == 0 && record.isFile ? record.server : shown
        return all.filter { $0 != present }
    }

    /// What one server has under a name: its file, whether it answers to the name or is hidden.
    func file(at node: UInt32, of server: UInt16) -> FileFacts? {
        let record = records[Int(node)]
        if record.isFile, record.server == server { return facts(of: node) }
        guard record.flags.contains(.shared) else { return nil }
        return holdings[node]?.first { $0.server == server }?.facts
    }

    /// Whether a server has this directory on disk.
    func isHeld(_ directory: UInt32, by server: UInt16) -> Bool {
        let record = records[Int(directory)]
        if record.server == server { return record.isDirectory }
        guard record.flags.contains(.shared) else { return false }
        return holdings[directory]?.contains { $0.server == server && $0.facts == nil } ?? false
    }

    /// Puts what a server has beside the owner or first holder.
    mutating func setHolding(_ facts: FileFacts?, of server: UInt16, at node: UInt32) {
        changeHoldings(at: node, server) { list in
            if let index = list.firstIndex(where: { $0.server == server }) {
                list[index].facts = facts
            } else {
                list.append(Holding(server: server, facts: facts))
            }
        }
    }

    /// Forgets what a server has beside the owner or first holder.
    mutating func removeHolding(of server: UInt16, at node: UInt32) {
        guard records[Int(node)].flags.contains(.shared) else { return }
        changeHoldings(at: node, server) { list in list.removeAll { $0.server == server } }
    }

    private mutating func changeHoldings(
        at node: UInt32, _ server: UInt16, _ change: (inout [Holding]) -> Void
    ) {
        var list = holdings[node] ?? []
        let before = list.contains { $0.facts != nil }
        if let old = list.first(where: { $0.server == server })?.facts { count(old, server, -1) }
        change(&list)
        if let new = list.first(where: { $0.server == server })?.facts { count(new, server, 1) }
        let after = list.contains { $0.facts != nil }
        counts.conflicts += (after ? 1 : 0) - (before ? 1 : 0)
        holdings[node] = list.isEmpty ? nil : list
        if list.isEmpty {
            records[Int(node)].flags.remove(.shared)
        } else {
            records[Int(node)].flags.insert(.shared)
        }
        dirtyHoldings.insert(HoldingKey(node: node, server: server))
    }

    /// Adds a file to a server's totals, or takes it away.
    mutating func count(_ facts: FileFacts, _ server: UInt16, _ sign: Int64) {
        holdingsOfServers[server, default: .init()].files += sign
        holdingsOfServers[server, default: .init()].bytes &+= sign &* facts.size
    }

    /// Makes a node the file of a server, with its facts; it was no file before.
    mutating func becomeFile(_ node: UInt32, of server: UInt16, _ facts: FileFacts) {
        records[Int(node)].flags.subtract(.kindMask)
        records[Int(node)].server = server
        claimDeadlines[node] = nil
        counts.files += 1
        count(facts, server, 1)
        setFacts(facts, of: node)
    }

    /// Takes the owner away from a file and leaves the name to be given anew.
    mutating func orphanFile(_ node: UInt32) {
        let record = records[Int(node)]
        count(facts(of: node), record.server, -1)
        counts.files -= 1
        records[Int(node)].server = 0
        touch(node)
    }

    /// Makes a file or claim a directory; a file of another server stays reachable beside it.
    mutating func becomeDirectory(_ node: UInt32, heldBy server: UInt16) {
        let record = records[Int(node)]
        let old = record.isFile ? facts(of: node) : nil
        if record.isFile { orphanFile(node) }
        claimDeadlines[node] = nil
        records[Int(node)].flags.subtract(.kindMask)
        records[Int(node)].flags.insert(.directory)
        records[Int(node)].server = 0
        records[Int(node)].children = newOrder()
        counts.directories += 1
        setFacts(FileFacts(size: 0, mtime: old?.mtime ?? WallTime(seconds: 0), ver: 0), of: node)
        removeHolding(of: server, at: node)
        if let old, record.server != server { setHolding(old, of: record.server, at: node) }
        hold(node, by: server)
    }

    /// Marks a directory as one that a server has on disk.
    mutating func hold(_ directory: UInt32, by server: UInt16) {
        if directory == Catalogue.root || server == 0 { return }
        let record = records[Int(directory)]
        if record.server == server { return }
        if record.server == 0 {
            removeHolding(of: server, at: directory)
            records[Int(directory)].server = server
            touch(directory)
        } else if !isHeld(directory, by: server) {
            setHolding(nil, of: server, at: directory)
        }
    }

    /// What became of a name when one server had nothing there any more.
    enum Departure: Equatable {
        /// The server had nothing there.
        case nothing
        /// The name is gone.
        case gone
        /// The next server's file answers to the name now.
        case promoted
        /// The name stays as it was.
        case hidden
    }

    /// Forgets what a server has at a node itself, and nothing below it.
    mutating func depart(_ node: UInt32, _ server: UInt16) -> Departure {
        let record = records[Int(node)]
        if record.isFree || record.isClaim || node == Catalogue.root { return .nothing }
        if record.server != server {
            guard holdings[node]?.contains(where: { $0.server == server }) == true else {
                return .nothing
            }
            removeHolding(of: server, at: node)
            return collect(node) ? .gone : .hidden
        }
        if record.isFile { return departFile(node) }
        records[Int(node)].server = 0
        if let next = holdings[node]?.first(where: { $0.facts == nil })?.server {
            removeHolding(of: next, at: node)
            records[Int(node)].server = next
        }
        touch(node)
        return collect(node) ? .gone : .hidden
    }

    private mutating func departFile(_ node: UInt32) -> Departure {
        orphanFile(node)
        guard let next = holdings[node]?.first, let facts = next.facts else {
            let parent = records[Int(node)].parent
            free(node)
            _ = collect(parent)
            return .gone
        }
        removeHolding(of: next.server, at: node)
        becomeFile(node, of: next.server, facts)
        return .promoted
    }

    /// Frees a directory that nothing keeps any more, and those above it for which that holds then.
    ///
    /// - Returns: Whether the node itself was freed. One that keeps only a file becomes that file.
    mutating func collect(_ node: UInt32) -> Bool {
        var current = node
        var isFreed = false
        while current != Catalogue.root {
            let record = records[Int(current)]
            guard record.isDirectory, record.server == 0, !record.flags.contains(.explicit),
                !record.flags.contains(.pinned), isEmpty(current)
            else { break }
            if let heir = holdings[current]?.first, let facts = heir.facts {
                removeHolding(of: heir.server, at: current)
                becomeHeir(current, heir.server, facts)
                break
            }
            let parent = record.parent
            free(current)
            if current == node { isFreed = true }
            current = parent
        }
        return isFreed
    }

    private mutating func becomeHeir(_ node: UInt32, _ server: UInt16, _ facts: FileFacts) {
        freeOrders.append(records[Int(node)].children)
        records[Int(node)].children = CatalogueRecord.noChildren
        counts.directories -= 1
        becomeFile(node, of: server, facts)
    }
}
