/// The names of one directory in bytewise order: sorted chunks, so that a million stay cheap.
///
/// Inserting moves at most one chunk and the list of chunks; names in ascending order fill chunks
/// whole.
struct CatalogueChildren {
    /// A place between two children: in front of the one at `index` of `chunk`.
    struct Position: Equatable {
        var chunk: Int
        var index: Int
    }

    static let chunkSize = 512

    private(set) var chunks: [[UInt32]] = []
    private(set) var count = 0

    init() {}

    /// Takes nodes that are in order already.
    init(ordered nodes: [UInt32]) {
        count = nodes.count
        chunks = stride(from: 0, to: nodes.count, by: CatalogueChildren.chunkSize).map {
            Array(nodes[$0..<min(nodes.count, $0 + CatalogueChildren.chunkSize)])
        }
    }

    /// The child behind a position; nil at the end.
    func node(at position: Position) -> UInt32? {
        position.chunk < chunks.count ? chunks[position.chunk][position.index] : nil
    }

    /// Moves behind the next child.
    func advance(_ position: inout Position) {
        position.index += 1
        if position.chunk < chunks.count, position.index >= chunks[position.chunk].count {
            position = Position(chunk: position.chunk + 1, index: 0)
        }
    }

    var last: UInt32? { chunks.last?.last }

    /// Puts a node in front of a position.
    mutating func insert(_ node: UInt32, at position: Position) {
        count += 1
        if position.chunk >= chunks.count {
            if let last = chunks.last, last.count < CatalogueChildren.chunkSize {
                chunks[chunks.count - 1].append(node)
            } else {
                chunks.append([node])
            }
            return
        }
        chunks[position.chunk].insert(node, at: position.index)
        let size = chunks[position.chunk].count
        if size > CatalogueChildren.chunkSize {
            let upper = Array(chunks[position.chunk][(size / 2)...])
            chunks[position.chunk].removeSubrange((size / 2)...)
            chunks.insert(upper, at: position.chunk + 1)
        }
    }

    /// Takes out the node behind a position; small neighbours are joined.
    mutating func remove(at position: Position) {
        count -= 1
        chunks[position.chunk].remove(at: position.index)
        let size = chunks[position.chunk].count
        if size == 0 {
            chunks.remove(at: position.chunk)
        } else if size < CatalogueChildren.chunkSize / 8, position.chunk + 1 < chunks.count,
            chunks[position.chunk + 1].count < CatalogueChildren.chunkSize / 2
        {
            let next = chunks.remove(at: position.chunk + 1)
            chunks[position.chunk].append(contentsOf: next)
        }
    }
}
