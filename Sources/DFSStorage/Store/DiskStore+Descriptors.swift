import CPosix

extension DiskStore {
    /// Descriptors that sessions leave to everything else: every other piece of work takes a few
    /// and gives them back.
    private static let reserve: Int64 = 64

    /// Whether so few descriptors are left that no session is to be opened.
    ///
    /// The kernel gives the lowest free number, so that its distance from the limit tells how many
    /// are left at least.
    public var isShortOfDescriptors: Bool {
        guard let any = table.exports.first?.root.number else { return false }
        let limit = dfs_descriptor_limit()
        let next = dfs_next_descriptor(any)
        return next < 0 || Int64(next) >= limit - min(DiskStore.reserve, limit / 4)
    }
}
