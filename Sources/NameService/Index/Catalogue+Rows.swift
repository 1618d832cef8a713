import DFSProtocol

/// What is kept of the index, and the index made from what was kept.
extension Catalogue {
    /// Whether something waits for a commit.
    var hasChanges: Bool { !dirtyNodes.isEmpty || !dirtyHoldings.isEmpty }

    /// How many rows wait for a commit.
    var changedRows: Int { dirtyNodes.count + dirtyHoldings.count }

    /// Describes every node and holding that changed since the last call, each once.
    mutating func takeChanges() -> [CatalogueChange] {
        var changes: [CatalogueChange] = []
        changes.reserveCapacity(dirtyNodes.count + dirtyHoldings.count)
        for node in dirtyNodes {
            records[Int(node)].flags.remove(.dirty)
            // Without its top, what is left below a removed directory is dropped by a restart.
            let isGone = records[Int(node)].isFree || records[Int(node)].flags.contains(.detached)
            changes.append(isGone ? .removeNode(number: node) : .putNode(row(of: node)))
        }
        dirtyNodes.removeAll(keepingCapacity: dirtyNodes.count < 65_536)
        let keys = dirtyHoldings.sorted { ($0.node, $0.server) < ($1.node, $1.server) }
        dirtyHoldings.removeAll()
        for key in keys {
            if let holding = holdings[key.node]?.first(where: { $0.server == key.server }) {
                changes.append(
                    .putHolding(
                        .init(node: key.node, server: UInt32(key.server), facts: holding.facts)))
            } else {
                changes.append(.removeHolding(node: key.node, server: UInt32(key.server)))
            }
        }
        return changes
    }

    private func row(of node: UInt32) -> CatalogueNode {
        let record = records[Int(node)]
        let kind: CatalogueNode.Kind =
            record.isDirectory ? .directory : record.isClaim ? .claim : .file
        return CatalogueNode(
            number: node, parent: record.parent, name: name(of: node), kind: kind,
            server: UInt32(record.server), facts: facts(of: node),
            isExplicit: record.flags.contains(.explicit), deadline: claimDeadlines[node] ?? 0)
    }

    /// Takes one row; the rows come in any order, so nothing is linked before `finishLoading`.
    mutating func load(_ row: CatalogueNode) throws {
        guard row.number > 0, Int(row.number) < Catalogue.mostNodes,
            (1...255).contains(row.name.count),
            TreePath.refusal(component: row.name) == nil, let server = UInt16(exactly: row.server),
            server > 0 || row.kind == .directory, let place = names.add(row.name.span)
        else {
            throw CatalogueStoreError(
                "the catalogue is damaged: entry \(row.number) is not one; restore or rebuild it")
        }
        while records.count <= Int(row.number) {
            let number = UInt32(records.count)
            records.makeRoom(for: 1)
            records.append(
                CatalogueRecord(parent: number, name: 0, nameLength: 0, kind: .free))
        }
        let flags: CatalogueRecord.Flags =
            switch row.kind {
            case .file: .file
            case .directory: .directory
            case .claim: .claim
            }
        var record = CatalogueRecord(
            parent: row.parent, name: place, nameLength: UInt8(row.name.count), kind: flags)
        record.server = server
        highestServer = max(highestServer, server)
        if row.isExplicit { record.flags.insert(.explicit) }
        if row.kind == .claim { claimDeadlines[row.number] = row.deadline }
        record.flags.insert(.dirty)
        records[Int(row.number)] = record
        setFacts(row.facts, of: row.number)
        records[Int(row.number)].flags.remove(.dirty)
    }

    /// Takes one row of what servers have beside the first one.
    mutating func load(_ row: CatalogueHolding) throws {
        guard let server = UInt16(exactly: row.server), server > 0 else {
            throw CatalogueStoreError("the catalogue is damaged: a holding names no server")
        }
        highestServer = max(highestServer, server)
        holdings[row.node, default: []].append(Holding(server: server, facts: row.facts))
    }

    /// Links what was loaded; what an interrupted removal left without a parent is dropped.
    mutating func finishLoading() {
        table = CatalogueTable(seed: table.seed, capacity: records.count)
        for number in 1..<max(1, records.count) where !records[number].isFree {
            let name = name(of: UInt32(number))
            let parent = records[number].parent
            if child(of: parent, name.span) == Catalogue.none {
                table.insert(UInt32(number), hash: table.hash(parent: parent, name.span))
            } else {
                drop(number)
            }
        }
        dropOrphans()
        linkAll()
        linkHoldings()
    }

    private mutating func drop(_ number: Int) {
        names.remove(records[number].name, length: records[number].nameLength)
        records[number].flags.formUnion(.free)
        unusual[UInt32(number)] = nil
        claimDeadlines[UInt32(number)] = nil
        touch(UInt32(number))
    }

    private mutating func dropOrphans() {
        var isGood = [Bool](repeating: false, count: records.count)
        isGood[0] = true
        var chain: [Int] = []
        for number in 1..<max(1, records.count) where !records[number].isFree {
            chain.removeAll(keepingCapacity: true)
            var current = number
            while !isGood[current], chain.count <= 2048 {
                chain.append(current)
                let parent = Int(records[current].parent)
                guard parent < records.count, records[parent].isDirectory else { break }
                current = parent
            }
            if isGood[current] { for link in chain { isGood[link] = true } }
        }
        for number in (1..<max(1, records.count)).reversed() where !isGood[number] {
            if !records[number].isFree {
                let name = name(of: UInt32(number))
                let hash = table.hash(parent: records[number].parent, name.span)
                table.remove(UInt32(number), hash: hash)
                drop(number)
            }
            freeNumbers.append(UInt32(number))
        }
    }

    private mutating func linkAll() {
        var children: [[UInt32]] = [[]]
        for number in 1..<max(1, records.count) where records[number].isDirectory {
            records[number].children = UInt32(children.count)
            children.append([])
            counts.directories += 1
            if records[number].server != 0 { records[number].flags.insert(.timeTold) }
        }
        for number in 1..<max(1, records.count) where !records[number].isFree {
            let parent = records[Int(records[number].parent)]
            children[Int(parent.children)].append(UInt32(number))
            if records[number].isFile {
                counts.files += 1
                count(facts(of: UInt32(number)), records[number].server, 1)
            }
        }
        orders = children.map { list in
            CatalogueChildren(ordered: list.sorted { precedes($0, $1) })
        }
    }

    private func precedes(_ left: UInt32, _ right: UInt32) -> Bool {
        compare(left, names.bytes.span.extracting(nameRange(of: right))) < 0
    }

    private mutating func linkHoldings() {
        for node in holdings.keys.sorted() {
            guard Int(node) < records.count, !records[Int(node)].isFree,
                !records[Int(node)].isClaim
            else {
                for holding in holdings[node] ?? [] {
                    dirtyHoldings.insert(HoldingKey(node: node, server: holding.server))
                }
                holdings[node] = nil
                continue
            }
            records[Int(node)].flags.insert(.shared)
            holdings[node]?.sort { $0.server < $1.server }
            let files = (holdings[node] ?? []).filter { $0.facts != nil }
            if !files.isEmpty { counts.conflicts += 1 }
            for holding in files {
                if let facts = holding.facts { count(facts, holding.server, 1) }
            }
        }
    }
}
