import DFSProtocol

extension TreePath {
    /// A random name in the same directory, for what will be renamed to this path when it is whole.
    ///
    /// It begins as this one's name does, as far as both bounds of a path leave room, and with a
    /// whole character where that name is text.
    /// - Throws: `is-dir` for the top of the tree.
    func nameOfPart() throws(DFSError) -> TreePath {
        guard let parent else {
            throw DFSError(.isDirectory, path: self, "the top of the tree is a directory")
        }
        let above = parent.isRoot ? 1 : parent.bytes.count + 1
        let room = min(Limits.componentBytes, Limits.pathBytes - above)
        var name: [UInt8]
        repeat {
            name = TreePath.digits(min(room, TreePath.randomDigits))
            let suffix = TreePath.partMark + name
            if room > suffix.count {
                name = TreePath.beginning(of: self.name, atMost: room - suffix.count) + suffix
            }
        } while self.name.elementsEqual(name)
        do throws(RequestError) {
            return try parent.appending(name)
        } catch {
            throw DFSError(error.code, path: self, error.advice)
        }
    }

    /// Whether a name in the same directory is one that `nameOfPart` could have made.
    func isName(ofPart other: [UInt8]) -> Bool {
        guard let beginning = beginningOfParts, other.starts(with: beginning) else { return false }
        let digits = other.dropFirst(beginning.count)
        return digits.count == TreePath.randomDigits && TreePath.areDigits(digits)
    }

    /// What all names begin with that `isName(ofPart:)` knows; nil where it knows none.
    var beginningOfParts: [UInt8]? {
        guard let parent else { return nil }
        let above = parent.isRoot ? 1 : parent.bytes.count + 1
        let suffix = TreePath.partMark.count + TreePath.randomDigits
        let room = min(Limits.componentBytes, Limits.pathBytes - above) - suffix
        guard room > 0 else { return nil }
        return TreePath.beginning(of: name, atMost: room) + TreePath.partMark
    }

    /// Whether a name is one that an upload has until it is whole: `….dfs-part-` and 12 digits.
    public var isNameOfPart: Bool {
        let suffix = name.suffix(TreePath.partMark.count + TreePath.randomDigits)
        return suffix.starts(with: TreePath.partMark)
            && suffix.count == TreePath.partMark.count + TreePath.randomDigits
            && TreePath.areDigits(suffix.suffix(TreePath.randomDigits))
    }

    private static func areDigits(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        }
    }

    private static let partMark = [UInt8](".dfs-part-".utf8)
    /// As many as 62 bits need.
    private static let randomDigits = 12

    private static func digits(_ count: Int) -> [UInt8] {
        let alphabet = [UInt8]("0123456789abcdefghijklmnopqrstuvwxyz".utf8)
        return (0..<count).map { _ in alphabet[Int.random(in: alphabet.indices)] }
    }

    /// The first bytes of a name, which end with a character where one would be cut; never none.
    private static func beginning(of name: ArraySlice<UInt8>, atMost most: Int) -> [UInt8] {
        guard name.count > most else { return Array(name) }
        let start = name.startIndex
        var cut = start + most
        // The first byte that is left away tells whether it goes on with a character.
        while name[cut] & 0xC0 == 0x80, cut > start, start + most - cut < 3 { cut -= 1 }
        let isCharacter = name[cut] & 0xC0 == 0xC0 && cut > start
        return Array(name[..<(isCharacter ? cut : start + most)])
    }
}
