extension DiskStore {
    /// The generation that the newest change has, also where the ledger does not have it on disk
    /// yet.
    public var newest: Int64 { log.newest }
}
