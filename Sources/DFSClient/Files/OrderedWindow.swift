/// Runs numbered pieces of work side by side, and takes their results in order.
///
/// At most `width` are under way or wait for their turn, which bounds memory.
enum OrderedWindow {
    /// - Throws: The first failure of either closure; what is under way is cancelled.
    static func run<Piece: Sendable>(
        count: Int64, width: Int, _ work: @escaping @Sendable (Int64) async throws -> Piece,
        take: (Piece) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: (Int64, Piece).self) { group in
            var started: Int64 = 0
            var taken: Int64 = 0
            var waiting: [Int64: Piece] = [:]
            while taken < count {
                while started < count, started - taken < Int64(max(1, width)) {
                    let number = started
                    group.addTask { (number, try await work(number)) }
                    started += 1
                }
                guard let (number, piece) = try await group.next() else { return }
                waiting[number] = piece
                while let piece = waiting.removeValue(forKey: taken) {
                    try await take(piece)
                    taken += 1
                }
            }
        }
    }
}
