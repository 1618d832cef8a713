/// Finds the name that was probably meant by one that does not exist.
enum NearestName {
    /// The name that the fewest slips lead to, the first one of equals.
    ///
    /// Returns nil where it would take more than two, or half of the letters: that is another name.
    static func of(_ typed: String, among names: [String]) -> String? {
        let letters = Array(typed.lowercased())
        guard letters.count <= 32 else { return nil }
        let limit = min(2, letters.count / 2)
        var best: (name: String, slips: Int)?
        for name in names {
            let slips = slips(letters, Array(name.lowercased()))
            if slips <= limit, slips < best?.slips ?? Int.max { best = (name, slips) }
        }
        return best?.name
    }

    /// Letters that are missing, too many, wrong, or swapped with their neighbour.
    private static func slips(_ left: [Character], _ right: [Character]) -> Int {
        var before: [Int] = []
        var last = Array(0...right.count)
        for row in 0..<left.count {
            var next = [row + 1]
            for column in 0..<right.count {
                var slips = min(
                    last[column + 1] + 1, next[column] + 1,
                    last[column] + (left[row] == right[column] ? 0 : 1))
                if row > 0, column > 0, left[row] == right[column - 1],
                    left[row - 1] == right[column]
                {
                    slips = min(slips, before[column - 1] + 1)
                }
                next.append(slips)
            }
            (before, last) = (last, next)
        }
        return last[right.count]
    }
}
