/// The lines that a person typed and wants to find again, oldest first.
public struct LineHistory: Sendable {
    /// How many lines are kept, here and in the file, where nobody set it.
    public static let limit = 1000

    /// Oldest first.
    public private(set) var lines: [[UInt8]] = []
    private var limit: Int

    /// Starts empty.
    public init(limit: Int = LineHistory.limit) { self.limit = limit }

    /// Keeps so many lines from now on; the oldest of more are forgotten.
    mutating func keep(_ limit: Int) {
        self.limit = limit
        shorten()
    }

    private mutating func shorten() {
        if lines.count > limit { lines.removeFirst(lines.count - limit) }
    }

    /// Takes lines from a file; those that could not have been kept are left away.
    init(loaded lines: [[UInt8]], limit: Int = LineHistory.limit) {
        self.limit = limit
        for line in lines { add(line) }
    }

    /// Adds a line if it is to be kept.
    ///
    /// - Returns: Whether it was added: not when it is the newest already, nor when `isPrivate`.
    @discardableResult
    public mutating func add(_ line: [UInt8]) -> Bool {
        guard !LineHistory.isPrivate(line), line != lines.last else { return false }
        lines.append(line)
        shorten()
        return limit > 0
    }

    /// Whether a line stays out: it is blank, begins with a space, gives away a secret, or holds
    /// control bytes, which a file of lines can not keep and a screen should not get.
    static func isPrivate(_ line: [UInt8]) -> Bool {
        guard let first = line.first, first != UInt8(ascii: " ") else { return true }
        if line.contains(where: { $0 < 0x20 || $0 == 0x7F }) { return true }
        let lowered = line.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        return givesToken(line)
            || secrets.contains { secret in
                lowered.indices.contains { lowered[$0...].starts(with: secret) }
            }
    }

    /// Whether a line has the command that takes a token, however it is spaced and quoted.
    private static func givesToken(_ line: [UInt8]) -> Bool {
        let letters = line.filter { $0 > 0x20 && !quotes.contains($0) }
        return letters.indices.contains { letters[$0...].starts(with: "sessionresume".utf8) }
    }

    private static let quotes = [UInt8]("\"'\\".utf8)
    private static let secrets = ["token=", "password=", "passwd=", "secret="].map {
        [UInt8]($0.utf8)
    }
}
