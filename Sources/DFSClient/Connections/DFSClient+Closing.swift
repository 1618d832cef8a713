extension DFSClient {
    /// Closes every connection at once, and with them the sessions opened over them.
    ///
    /// Calls that wait for an answer fail; the next call connects anew.
    public func closeConnections() async { await pool.closeAll() }
}
