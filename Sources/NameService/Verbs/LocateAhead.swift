import CProcessor
import DFSProtocol

/// The next requests of one connection, looked up together.
///
/// Of a million files nearly every look-up waits three times for memory: for the slot of the
/// table, for the record, for the name. Asked for one behind the other, the waits of up to
/// `most` requests pass at the same time.
/// - Source: measured.md; one by one the waits were half of a request's cost.
struct LocateAhead: ~Copyable {
    /// One request, by positions in the bytes that were handed in.
    struct Question: BitwiseCopyable {
        var start: UInt32 = 0
        var tagEnd: UInt32 = 0
        var value: UInt32 = 0
        var valueEnd: UInt32 = 0
        /// Where the path's last part begins.
        var name: UInt32 = 0
        var end: UInt32 = 0
        /// The directory that the last part is in.
        var parent: UInt32 = 0
        /// First the hash of the last part, then the number of the node that has it.
        var node: UInt32 = 0
        /// Whether the path stands without quotation marks, and is answered as it stands.
        var isBare = false
    }

    static let most = 32
    /// Positions are kept in 32 bits; what is beyond waits for the next look.
    static let mostBytes = 1 << 24

    private(set) var questions = InlineArray<32, Question>(repeating: Question())
    private(set) var count = 0

    /// Reads up to `limit` requests and looks up the directories of their paths.
    ///
    /// Stops in front of what is no plain LOCATE, is not whole, or has a directory that is not
    /// there.
    @inline(__always)
    mutating func read(
        _ bytes: Span<UInt8>, upTo limit: Int, lineBytes: Int, _ catalogue: borrowing Catalogue
    ) {
        let bytes = bytes.extracting(0..<min(bytes.count, LocateAhead.mostBytes))
        var start = 0
        while count < limit,
            let line = PlainLine(bytes, from: start, verb: "LOCATE", most: lineBytes),
            line.value.count <= Limits.pathBytes
        {
            guard let (parent, name) = catalogue.lastPart(of: bytes.extracting(line.value)) else {
                return
            }
            let text = bytes.extracting((line.value.lowerBound &+ name)..<line.value.upperBound)
            let hash = catalogue.table.hash(parent: parent, text)
            catalogue.table.slots.span.prefetch(Int(hash) & catalogue.table.mask)
            questions[count] = Question(
                start: UInt32(truncatingIfNeeded: start),
                tagEnd: UInt32(truncatingIfNeeded: line.tag.upperBound),
                value: UInt32(truncatingIfNeeded: line.value.lowerBound),
                valueEnd: UInt32(truncatingIfNeeded: line.value.upperBound),
                name: UInt32(truncatingIfNeeded: line.value.lowerBound &+ name),
                end: UInt32(truncatingIfNeeded: line.end), parent: parent,
                node: UInt32(truncatingIfNeeded: hash), isBare: line.isBare)
            count &+= 1
            start = line.end
        }
    }

    /// Finds the nodes by their hashes; the first request that has none is the end.
    @inline(__always)
    mutating func find(in catalogue: borrowing Catalogue) {
        for index in 0..<count {
            let node = catalogue.table.first(hash: UInt64(questions[index].node))
            guard node != Catalogue.none else {
                count = index
                break
            }
            questions[index].node = node
            catalogue.records.span.prefetch(Int(node))
        }
        for index in 0..<count {
            let record = catalogue.records[Int(questions[index].node)]
            catalogue.names.bytes.span.prefetch(Int(record.name) &* 8)
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
