import CPosix

extension DiskStore {
    /// Descriptors that sessions leave to everything else: every other piece of work takes a few
    /// and gives them back.
    private static let reserve: Int64 = 64
    /// Free numbers that have to be found below the reserve: what one OPEN takes for the folder on
    /// its way and for the file, and one more.
    private static let holes = 4

    /// Whether so few descriptors are left that no session is to be opened.
    ///
    /// The kernel gives the lowest free number. Work that has ended leaves a few holes below those
    /// of the sessions that it opened, so that the first free number alone tells nothing.
    public var isShortOfDescriptors: Bool {
        guard let any = table.exports.first?.root.number else { return false }
        let limit = dfs_descriptor_limit()
        let last = limit - min(DiskStore.reserve, limit / 4)
        var next: Int32 = -1
        for _ in 0..<DiskStore.holes {
            next = dfs_next_descriptor(any, next + 1)
            if next < 0 || Int64(next) >= last { return true }
        }
        return false
    }
}
