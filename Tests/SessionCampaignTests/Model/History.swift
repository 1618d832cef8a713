/// A history written down by hand.
struct History {
    private(set) var operations: [FileOperation] = []

    /// Adds an operation: when it was asked for and answered, what it was and what came of it.
    ///
    /// - Parameters:
    ///   - fid: What the answer told of the file besides, as `ver`.
    ///   - id: What its words carry; operations that write nothing need none.
    func add(
        _ time: Range<Int>, _ action: FileOperation.Action, _ answer: FileOperation.Answer,
        fid: Int64? = nil, ver: Int64? = nil, ifVersion: Int64? = nil, id: UInt32? = nil
    ) -> History {
        var history = self
        history.operations.append(
            FileOperation(
                id: id ?? UInt32(1000 + operations.count), client: 1, action: action,
                ifVersion: ifVersion, answer: answer,
                told: FileOperation.Facts(fid: fid, ver: ver), invoked: time.lowerBound,
                returned: time.upperBound))
        return history
    }

    /// Adds sessions 1 and 2 on the empty file.
    func opened() -> History {
        add(0..<1, .open(session: 1), .size(0)).add(2..<3, .open(session: 2), .size(0))
    }
}

extension FileOperation.Answer {
    /// Words by writer, first word and count.
    static func words(
        _ pieces: [(writer: UInt32, start: Int, count: Int)], isEnd: Bool = false, size: Int? = nil
    ) -> Self {
        var bytes: [UInt8] = []
        for piece in pieces {
            let words = FileContent.bytes(writer: piece.writer, count: piece.start + piece.count)
            bytes +=
                piece.writer == 0
                ? Array(repeating: 0, count: piece.count * FileContent.wordBytes)
                : Array(words[(piece.start * FileContent.wordBytes)...])
        }
        return .content(FileContent(bytes), isEnd: isEnd, size: size)
    }

    /// The first words of one operation, and then the end.
    static func whole(_ writer: UInt32, _ count: Int, size: Int? = nil) -> Self {
        .content(FileContent(writer: writer, count: count), isEnd: true, size: size)
    }

    /// The same, with the end reached.
    var atEnd: Self {
        guard case .content(let content, _, let size) = self else { return self }
        return .content(content, isEnd: true, size: size)
    }
}
