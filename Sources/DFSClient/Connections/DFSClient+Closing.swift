extension DFSClient {
    /// Closes every connection at once, and with them the sessions that have no lease.
    ///
    /// The next call connects anew, as do calls that wait for the answer to what is safe to repeat.
    public func closeConnections() async { await pool.closeAll() }
}
