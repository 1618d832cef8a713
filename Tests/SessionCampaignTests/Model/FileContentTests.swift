import TestCluster
import Testing

@Suite struct `The picture of a file` {
    @Test func `names the writer of every word that it reads`() {
        let bytes =
            FileContent.bytes(writer: 7, count: 3) + Array(repeating: 0, count: 16)
            + FileContent.bytes(writer: 8, count: 2)

        let content = FileContent(bytes)

        #expect(
            content.pieces == [
                .init(writer: 7, start: 0, count: 3), .init(writer: 0, start: 0, count: 2),
                .init(writer: 8, start: 0, count: 2),
            ])
        #expect("\(content)" == "#7[0..<3] 0[2] #8[0..<2]")
    }

    @Test func `shows bytes that are no whole word as what nobody writes`() {
        let bytes = FileContent.bytes(writer: 7, count: 3)

        #expect(FileContent(Array(bytes.dropLast())) != FileContent(writer: 7, count: 3))
        #expect(FileContent(Array(bytes.dropLast())) != FileContent(writer: 7, count: 2))
        #expect(FileContent(Array(bytes.dropFirst(4)) + [0, 0, 0, 0]).pieces.count > 1)
    }

    @Test func `writes over pieces as over bytes`() {
        var random = SeededRandom(seed: 1)
        for _ in 0..<200 {
            var (bytes, content): ([UInt8], FileContent) = ([], FileContent())
            for writer in UInt32(1)...12 {
                let offset = Int.random(in: 0..<20, using: &random)
                let count = Int.random(in: 0..<9, using: &random)
                if Bool.random(using: &random) {
                    let data = FileContent.bytes(writer: writer, count: count)
                    bytes.write(data, at: offset * FileContent.wordBytes)
                    content = content.writing(
                        FileContent(writer: writer, count: count), at: offset)
                } else {
                    bytes.truncate(to: offset * FileContent.wordBytes)
                    content = content.truncated(to: offset)
                }

                #expect(content == FileContent(bytes))
                #expect(content.count * FileContent.wordBytes == bytes.count)
                let low = Int.random(in: 0...content.count, using: &random)
                let part = bytes[(low * FileContent.wordBytes)...]
                #expect(content.part(low..<content.count) == FileContent(Array(part)))
            }
        }
    }
}

extension [UInt8] {
    /// Writes as `pwrite` does: a gap becomes zeros.
    mutating func write(_ bytes: [UInt8], at offset: Int) {
        guard !bytes.isEmpty else { return }
        if offset + bytes.count > count { truncate(to: offset + bytes.count) }
        replaceSubrange(offset..<(offset + bytes.count), with: bytes)
    }

    /// Cuts or extends as `ftruncate` does.
    mutating func truncate(to size: Int) {
        if size < count { removeLast(count - size) }
        append(contentsOf: Array(repeating: 0, count: size - count))
    }
}
