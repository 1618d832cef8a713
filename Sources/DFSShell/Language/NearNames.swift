/// Finds what a person may have meant by a name that does not exist.
enum NearNames {
    /// Longer names are compared with nothing: each takes time that grows with their product.
    private static let longest = 255

    /// The names that the fewest slips lead to, at most three, in their own order.
    ///
    /// A slip is a letter too many, missing, wrong, or swapped with its neighbour; upper and lower
    /// case are alike. More than one slip, or two in six letters, make another name.
    static func of(_ typed: [UInt8], among names: [[UInt8]]) -> [[UInt8]] {
        guard typed.count <= longest else { return [] }
        let letters = typed.map(lower)
        var best = letters.count < 2 ? 0 : letters.count < 6 ? 1 : 2
        var found: [[UInt8]] = []
        for name in names where abs(name.count - letters.count) <= best {
            let slips = slips(letters, name.map(lower))
            if slips > best { continue }
            if slips < best { found = [] }
            best = slips
            found.append(name)
        }
        return Array(found.prefix(3))
    }

    /// The first of the nearest among names of our own.
    static func first(_ typed: [UInt8], among names: [String]) -> String? {
        of(typed, among: names.map { [UInt8]($0.utf8) }).first.map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    /// How many slips make one name of the other.
    static func slips(_ left: [UInt8], _ right: [UInt8]) -> Int {
        // Row by row of the table of beginnings; the row before the last is for swapped letters.
        var before: [Int] = []
        var last = Array(0...right.count)
        for (i, letter) in left.enumerated() {
            var row = [i + 1]
            for (j, other) in right.enumerated() {
                var slips = min(last[j + 1] + 1, row[j] + 1, last[j] + (letter == other ? 0 : 1))
                if i > 0, j > 0, letter == right[j - 1], left[i - 1] == other {
                    slips = min(slips, before[j - 1] + 1)
                }
                row.append(slips)
            }
            (before, last) = (last, row)
        }
        return last[right.count]
    }
}
