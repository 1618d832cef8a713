import DFSProtocol

/// Making, moving and freeing nodes.
extension Catalogue {
    /// Adds a name that is not there.
    ///
    /// - Throws: `no-space` where all numbers or places for names are in use.
    mutating func insert(
        _ name: Span<UInt8>, in parent: UInt32, kind: CatalogueRecord.Flags
    ) throws(RequestError) -> UInt32 {
        guard let place = names.add(name) else { throw Catalogue.full }
        var record = CatalogueRecord(
            parent: parent, name: place, nameLength: UInt8(name.count), kind: kind)
        let number: UInt32
        if let reused = freeNumbers.popLast() {
            number = reused
            if records[Int(number)].flags.contains(.dirty) { record.flags.insert(.dirty) }
        } else {
            guard records.count < Catalogue.mostNodes else { throw Catalogue.full }
            number = UInt32(records.count)
            records.makeRoom(for: 1)
            records.append(record)
        }
        if record.isDirectory {
            record.children = newOrder()
            counts.directories += 1
        }
        records[Int(number)] = record
        link(number, name)
        touch(number)
        return number
    }

    private static let full = RequestError(
        .noSpace, "the catalogue is full; remove names or use a second name server")

    /// An empty order of a directory's names.
    mutating func newOrder() -> UInt32 {
        if let reused = freeOrders.popLast() { return reused }
        orders.append(CatalogueChildren())
        return UInt32(orders.count - 1)
    }

    private mutating func link(_ node: UInt32, _ name: Span<UInt8>) {
        let parent = records[Int(node)].parent
        table.insert(node, hash: table.hash(parent: parent, name))
        let order = Int(records[Int(parent)].children)
        let position = position(of: name, in: order)
        orders[order].insert(node, at: position)
    }

    /// Takes a node out of its directory; it keeps its number, its name and what is below it.
    mutating func unlink(_ node: UInt32) {
        let name = name(of: node)
        let parent = records[Int(node)].parent
        table.remove(node, hash: table.hash(parent: parent, name.span))
        let order = Int(records[Int(parent)].children)
        let position = position(of: name.span, in: order)
        if orders[order].node(at: position) == node { orders[order].remove(at: position) }
    }

    /// Gives a node another name, another directory, or both.
    ///
    /// The target must be free.
    mutating func move(
        _ node: UInt32, to name: [UInt8], in parent: UInt32
    ) throws(RequestError) {
        guard let place = names.add(name.span) else { throw Catalogue.full }
        unlink(node)
        names.remove(records[Int(node)].name, length: records[Int(node)].nameLength)
        records[Int(node)].name = place
        records[Int(node)].nameLength = UInt8(name.count)
        records[Int(node)].parent = parent
        link(node, name.span)
        touch(node)
    }

    /// Frees a node that has nothing below it and belongs to nobody.
    mutating func free(_ node: UInt32) {
        unlink(node)
        release(node)
    }

    /// Frees a node that stands in no directory.
    mutating func release(_ node: UInt32) {
        let record = records[Int(node)]
        if record.isDirectory {
            counts.directories -= 1
            orders[Int(record.children)] = CatalogueChildren()
            freeOrders.append(record.children)
        }
        names.remove(record.name, length: record.nameLength)
        unusual[node] = nil
        claimDeadlines[node] = nil
        pins[node] = nil
        for server in mentions.keys { mentions[server]?.forget(node) }
        if !subjects.isEmpty, subjects.remove(node) != nil { departedSubjects.append(node) }
        touch(node)
        let dirty = records[Int(node)].flags.intersection(.dirty)
        records[Int(node)] = CatalogueRecord(parent: node, name: 0, nameLength: 0, kind: .free)
        records[Int(node)].flags.formUnion(dirty)
        freeNumbers.append(node)
    }

    /// The first place in a directory's order whose name is not less than `name`.
    func position(of name: Span<UInt8>, in order: Int) -> CatalogueChildren.Position {
        if let last = orders[order].last, compare(last, name) < 0 {
            return .init(chunk: orders[order].chunks.count, index: 0)
        }
        var (low, high) = (0, orders[order].chunks.count)
        while low < high {
            let middle = (low + high) / 2
            let chunk = orders[order].chunks[middle]
            if compare(chunk[chunk.count - 1], name) < 0 { low = middle + 1 } else { high = middle }
        }
        let chunk = low
        guard chunk < orders[order].chunks.count else { return .init(chunk: chunk, index: 0) }
        (low, high) = (0, orders[order].chunks[chunk].count)
        while low < high {
            let middle = (low + high) / 2
            if compare(orders[order].chunks[chunk][middle], name) < 0 {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return .init(chunk: chunk, index: low)
    }

    /// Compares a node's name with another, bytewise: negative, zero or positive.
    func compare(_ node: UInt32, _ name: Span<UInt8>) -> Int {
        let range = nameRange(of: node)
        let common = min(range.count, name.count)
        for offset in 0..<common {
            let left = names.bytes[range.lowerBound + offset]
            if left != name[offset] { return left < name[offset] ? -1 : 1 }
        }
        return range.count - name.count
    }

    /// Whether a directory has no entry, claims included.
    func isEmpty(_ directory: UInt32) -> Bool {
        orders[Int(records[Int(directory)].children)].count == 0
    }
}
