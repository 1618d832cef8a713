/// What a file holds, told by who wrote it: the picture of bytes that histories are checked with.
///
/// Writers of a campaign put numbered words into a file, so that a reader knows of each word which
/// operation wrote it and as which of its words. Consecutive words of one operation are one piece.
struct FileContent: Hashable, Sendable {
    /// Consecutive words of one operation, or zeros that nobody wrote.
    struct Piece: Hashable, Sendable {
        /// The operation; 0 for zeros.
        var writer: UInt32
        /// Which of the operation's words comes first; 0 for zeros.
        var start: Int
        /// In words; at least 1.
        var count: Int
    }

    /// Bytes of a word.
    static let wordBytes = 8

    /// In order; two neighbours are never one piece.
    private(set) var pieces: [Piece] = []

    /// Holds nothing.
    init() {}

    /// Holds the first words of an operation.
    init(writer: UInt32, count: Int) {
        append(Piece(writer: writer, start: 0, count: count))
    }

    /// Reads what a server sent; bytes that no operation writes become a writer that there is not.
    init(_ bytes: [UInt8]) {
        let words = bytes.count / FileContent.wordBytes
        bytes.withUnsafeBytes { space in
            for index in 0..<words {
                let word = UInt64(
                    littleEndian: space.loadUnaligned(
                        fromByteOffset: index * FileContent.wordBytes, as: UInt64.self))
                let start = Int(word & 0xFFFF_FFFF)
                let writer = UInt32(truncatingIfNeeded: word >> 32)
                if let last = pieces.last, last.writer == writer,
                    start == (writer == 0 ? 0 : last.start + last.count)
                {
                    pieces[pieces.count - 1].count += 1
                } else {
                    pieces.append(Piece(writer: writer, start: start, count: 1))
                }
            }
        }
        if bytes.count % FileContent.wordBytes != 0 {
            pieces.append(Piece(writer: .max, start: .max, count: 1))
        }
    }

    /// The words of an operation as bytes.
    static func bytes(writer: UInt32, count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count * wordBytes) { space, filled in
            let raw = UnsafeMutableRawBufferPointer(space)
            for index in 0..<count {
                let word = UInt64(writer) << 32 | UInt64(index)
                raw.storeBytes(
                    of: word.littleEndian, toByteOffset: index * wordBytes, as: UInt64.self)
            }
            filled = count * wordBytes
        }
    }

    /// In words.
    var count: Int { pieces.reduce(0) { $0 + $1.count } }

    /// The words in a range, as far as there are any.
    func part(_ range: Range<Int>) -> FileContent {
        var part = FileContent()
        var place = 0
        for piece in pieces {
            let end = place + piece.count
            let (low, high) = (max(place, range.lowerBound), min(end, range.upperBound))
            if low < high {
                let start = piece.writer == 0 ? 0 : piece.start + low - place
                part.append(Piece(writer: piece.writer, start: start, count: high - low))
            }
            place = end
        }
        return part
    }

    /// The same with some words written over it; a gap before them is zeros.
    func writing(_ words: FileContent, at offset: Int) -> FileContent {
        guard !words.pieces.isEmpty else { return self }
        let end = offset + words.count
        var whole = part(0..<offset)
        whole.append(Piece(writer: 0, start: 0, count: offset - whole.count))
        for piece in words.pieces { whole.append(piece) }
        for piece in part(end..<max(end, count)).pieces { whole.append(piece) }
        return whole
    }

    /// The same cut, or made longer with zeros.
    func truncated(to size: Int) -> FileContent {
        var whole = part(0..<size)
        whole.append(Piece(writer: 0, start: 0, count: size - whole.count))
        return whole
    }

    private mutating func append(_ piece: Piece) {
        guard piece.count > 0 else { return }
        if let last = pieces.last, last.writer == piece.writer,
            piece.writer == 0 || last.start + last.count == piece.start
        {
            pieces[pieces.count - 1].count += piece.count
        } else {
            pieces.append(piece)
        }
    }
}

extension FileContent: CustomStringConvertible {
    /// `#12[0..<512] 0[64]`: words 0 to 511 of operation 12, then 64 zeros.
    var description: String {
        pieces.isEmpty
            ? "nothing"
            : pieces.map {
                $0.writer == 0
                    ? "0[\($0.count)]" : "#\($0.writer)[\($0.start)..<\($0.start + $0.count)]"
            }.joined(separator: " ")
    }
}
