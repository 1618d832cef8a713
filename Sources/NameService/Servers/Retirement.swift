import DFSProtocol

/// Forgetting a file server that will not come back.
extension NameAuthority {
    /// Takes a file server and everything that only it has out of the tree.
    ///
    /// Comes after `start` and before the first batch, so that it is durable before anything is
    /// answered; no server is registered then. Files of other servers that stood behind its own get
    /// their names. It costs a look at every name.
    /// - Returns: How many files it had; nil where it was retired before.
    /// - Throws: `unknown-server` where it was never registered; nothing is changed then.
    public mutating func retire(_ id: ServerID) throws(RequestError) -> Int64? {
        guard let server = membership.everRegistered(id) else {
            let known = membership.ordered.map(\.id.text).joined(separator: " ")
            throw RequestError(
                .unknownServer,
                "no file server \(id) was ever registered; known are: \(known.isEmpty ? "none" : known)",
                fields: [.init("server", id.bytes)])
        }
        if server.isRetired { return nil }
        let files = catalogue.holdingsOfServers[server.number]?.files ?? 0
        for number in 1..<max(1, catalogue.records.count) {
            let record = catalogue.records[number]
            let node = UInt32(number)
            if record.isClaim, record.server == server.number {
                catalogue.free(node)
                _ = catalogue.collect(record.parent)
            } else if record.server == server.number || record.flags.contains(.shared) {
                _ = catalogue.depart(node, server.number)
            }
        }
        try pin(server.mounts, by: -1)
        membership[server.number].mounts = []
        membership[server.number].generation = nil
        membership[server.number].isRetired = true
        _ = membership.set(server.number, .goodbye)
        membership.touch(server.number)
        return files
    }
}
