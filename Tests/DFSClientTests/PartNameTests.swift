import DFSProtocol
import Testing

@testable import DFSClient

/// The temporary names under which large files are sent.
@Suite struct PartNameTests {
    private static let euro = [UInt8]("\u{20AC}".utf8)
    private static let smile = [UInt8]("\u{1F600}".utf8)

    private static func repeated(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
        [[UInt8]](repeating: bytes, count: count).flatMap { $0 }
    }

    private static let names: [[UInt8]] =
        [
            [UInt8]("F1".utf8), repeated([0x78], 255), repeated(euro, 85), repeated(smile, 63),
            repeated([0xBF], 255), repeated([0xC3], 255), repeated([0xC3, 0xA9], 127),
        ] + (1...4).map { [UInt8](repeating: 0x61, count: $0) + repeated(smile, 62) }

    @Test(arguments: names)
    func `a part begins as its file does, by whole characters, as far as there is room`(
        name: [UInt8]
    ) throws {
        let path = try TreePath.root.appending(name)

        let part = try path.nameOfPart()

        let mark = [UInt8](".dfs-part-".utf8)
        let room = Limits.componentBytes - mark.count - 12
        let kept = part.name.count - mark.count - 12
        #expect(part.name.dropFirst(kept).starts(with: mark))
        #expect(name.starts(with: part.name.prefix(kept)))
        #expect(kept >= min(name.count, room - 3))
        #expect(kept <= room)
        let isText = String(validating: name, as: UTF8.self) != nil
        #expect(!isText || String(validating: part.name, as: UTF8.self) != nil)
    }

    /// How many bytes a directory leaves of the 4096, and a name as long as that.
    @Test(arguments: [1, 2, 5, 12, 22, 23, 24, 254, 255])
    func `beside a path of 4096 bytes there is a name too`(room: Int) throws {
        var above: [UInt8] = []
        while above.count < 4095 - room {
            let rest = 4095 - room - above.count
            // No name may be left with no byte.
            let length = rest == 202 ? 199 : min(200, rest - 1)
            above += [TreePath.slash] + [UInt8](repeating: 0x64, count: length)
        }
        let path = try TreePath(above).appending([UInt8](repeating: 0x78, count: room))

        let part = try path.nameOfPart()

        #expect(path.bytes.count == 4096)
        #expect(part.parent == path.parent)
        #expect(part != path)
        #expect(part.name.count == (room > 22 ? room : min(room, 12)))
    }

    @Test func `the top of the tree has no part`() {
        #expect(throws: DFSError.self) { try TreePath.root.nameOfPart() }
    }

    @Test(arguments: names)
    func `a part is known by its name, and nothing else is one`(name: [UInt8]) throws {
        let path = try TreePath.root.appending(name)
        let part = Array(try path.nameOfPart().name)

        #expect(path.isName(ofPart: part))
        #expect(!path.isName(ofPart: name))
        #expect(!path.isName(ofPart: Array(part.dropLast())))
        #expect(!path.isName(ofPart: [0x78] + part.dropFirst()) || part.first == 0x78)
        #expect(!path.isName(ofPart: part.dropLast() + [UInt8(ascii: "A")]))
    }
}
