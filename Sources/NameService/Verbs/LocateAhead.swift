import CProcessor
import DFSProtocol

/// The next requests of one connection, looked up together.
///
/// Of a million files nearly every part of a path is waited for three times: for its slot in the
/// table, for its record, for its name. That holds for directories as well, since whatever is
/// looked up between two uses drives them out of the cache. So all requests go down their paths
/// together, one part of each after another, and the waits of up to `most` of them pass at the
/// same time.
/// - Source: measured.md; one by one the waits were half of a request's cost.
struct LocateAhead: ~Copyable {
    /// One request, by positions in the bytes that were handed in.
    struct Question: BitwiseCopyable {
        var start: UInt32 = 0
        var tagEnd: UInt32 = 0
        var value: UInt32 = 0
        var valueEnd: UInt32 = 0
        /// The part of the path that is looked up; the last one in the end.
        var name: UInt32 = 0
        var nameEnd: UInt32 = 0
        var end: UInt32 = 0
        /// The directory that the part is in.
        var parent: UInt32 = 0
        /// First the hash of the part, then the number of the first node that has this hash.
        var node: UInt32 = 0
        /// Whether the path stands without quotation marks, and is answered as it stands.
        var isBare = false

        /// Whether the part that is looked up is the path's last one.
        @inline(__always) var isAtEnd: Bool { nameEnd == valueEnd }
        @inline(__always) var part: Range<Int> { Int(name)..<Int(nameEnd) }
    }

    static let most = 32
    /// Positions are kept in 32 bits; what is beyond waits for the next look.
    static let mostBytes = 1 << 24

    private(set) var questions = InlineArray<32, Question>(repeating: Question())
    private(set) var count = 0

    /// Reads up to `limit` requests.
    ///
    /// Stops in front of what is no plain LOCATE or is not whole.
    @inline(__always)
    mutating func read(_ bytes: Span<UInt8>, upTo limit: Int, lineBytes: Int) {
        let bytes = bytes.extracting(0..<min(bytes.count, LocateAhead.mostBytes))
        var start = 0
        while count < limit,
            let line = PlainLine(bytes, from: start, verb: "LOCATE", most: lineBytes),
            line.value.count > 1, line.value.count <= Limits.pathBytes,
            bytes[line.value.lowerBound] == TreePath.slash
        {
            questions[count] = Question(
                start: UInt32(truncatingIfNeeded: start),
                tagEnd: UInt32(truncatingIfNeeded: line.tag.upperBound),
                value: UInt32(truncatingIfNeeded: line.value.lowerBound),
                valueEnd: UInt32(truncatingIfNeeded: line.value.upperBound),
                name: UInt32(truncatingIfNeeded: line.value.lowerBound &+ 1),
                end: UInt32(truncatingIfNeeded: line.end), parent: Catalogue.root,
                isBare: line.isBare)
            count &+= 1
            start = line.end
        }
    }

    /// Looks up all paths, each to the first node that has the hash of its last part.
    ///
    /// The first request that has none, or whose directory is not there, is the end.
    @inline(__always)
    mutating func find(_ bytes: Span<UInt8>, in catalogue: borrowing Catalogue) {
        while askForSlots(bytes, catalogue) {
            askForNames(atEnd: false, catalogue)
            enterDirectories(bytes, catalogue)
        }
        askForNames(atEnd: true, catalogue)
    }

    /// Hashes the next part of every path that has one; false where all have come to their last.
    @inline(__always)
    private mutating func askForSlots(
        _ bytes: Span<UInt8>, _ catalogue: borrowing Catalogue
    ) -> Bool {
        var isAbove = false
        for index in 0..<count where !questions[index].isAtEnd {
            let start = Int(questions[index].name)
            let path = bytes.extracting(0..<Int(questions[index].valueEnd))
            let end = CatalogueNames.slash(path.bytes, from: start)
            let hash = catalogue.table.hash(
                parent: questions[index].parent, path.extracting(start..<end))
            catalogue.table.slots.span.prefetch(Int(hash) & catalogue.table.mask)
            questions[index].nameEnd = UInt32(truncatingIfNeeded: end)
            questions[index].node = UInt32(truncatingIfNeeded: hash)
            if end < path.count { isAbove = true }
        }
        return isAbove
    }

    /// Finds nodes by the hashes of parts, and asks for what tells whether they are the right ones.
    @inline(__always)
    private mutating func askForNames(atEnd: Bool, _ catalogue: borrowing Catalogue) {
        for index in 0..<count where questions[index].isAtEnd == atEnd {
            let node = catalogue.table.first(hash: UInt64(questions[index].node))
            guard node != Catalogue.none else {
                count = index
                break
            }
            questions[index].node = node
            catalogue.records.span.prefetch(Int(node))
        }
        for index in 0..<count where questions[index].isAtEnd == atEnd {
            let record = catalogue.records[Int(questions[index].node)]
            catalogue.names.bytes.span.prefetch(Int(record.name) &* 8)
        }
    }

    /// Goes on with the next part of every path that has not come to its last.
    @inline(__always)
    private mutating func enterDirectories(
        _ bytes: Span<UInt8>, _ catalogue: borrowing Catalogue
    ) {
        for index in 0..<count where !questions[index].isAtEnd {
            let name = bytes.extracting(questions[index].part)
            var node = questions[index].node
            let parent = questions[index].parent
            if !catalogue.isChild(node, of: parent, name) {
                node = catalogue.child(of: parent, name)
                guard node != Catalogue.none else {
                    count = index
                    return
                }
            }
            questions[index].parent = node
            questions[index].name = questions[index].nameEnd &+ 1
        }
    }
}

extension Span where Element: BitwiseCopyable {
    /// Asks for an element's memory without waiting for it.
    @inline(__always)
    fileprivate func prefetch(_ index: Int) {
        guard indices.contains(index) else { return }
        withUnsafeBytes { memory in
            let offset = index &* MemoryLayout<Element>.stride
            dfs_prefetch(memory.baseAddress?.advanced(by: offset))
            // An element may lie in two lines of the cache.
            dfs_prefetch(
                memory.baseAddress?.advanced(by: offset &+ MemoryLayout<Element>.size &- 1))
        }
    }
}
