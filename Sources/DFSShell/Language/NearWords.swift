/// Finds what a person may have meant by a word that is none.
enum NearWords {
    /// The words that are nearest to a mistyped one, at most three, in their own order.
    ///
    /// One error in a short word, two in a longer one: a letter too many, missing, wrong, or
    /// swapped with its neighbour. Upper and lower case are alike.
    static func near(_ word: [UInt8], in words: [[UInt8]]) -> [[UInt8]] {
        let most = word.count < 3 ? 0 : word.count < 5 ? 1 : 2
        let typed = word.map(lower)
        var best = most
        var found: [[UInt8]] = []
        for candidate in words where abs(candidate.count - word.count) <= best {
            let distance = distance(typed, candidate.map(lower))
            if distance > best { continue }
            if distance < best { found = [] }
            best = distance
            found.append(candidate)
        }
        return Array(found.prefix(3))
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    /// How many errors make one word of the other.
    static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        // Row by row of the table of beginnings; the row before the last is for swapped letters.
        var before: [Int] = []
        var last = Array(0...right.count)
        for (i, letter) in left.enumerated() {
            var row = [i + 1]
            for (j, other) in right.enumerated() {
                var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (letter == other ? 0 : 1))
                if i > 0, j > 0, letter == right[j - 1], left[i - 1] == other {
                    cost = min(cost, before[j - 1] + 1)
                }
                row.append(cost)
            }
            (before, last) = (last, row)
        }
        return last[right.count]
    }
}
