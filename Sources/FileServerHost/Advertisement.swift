import DFSProtocol

/// The rules for addresses: where a server may listen, and what it may tell others to connect to.
enum Advertisement {
    /// Refuses an address that could not work or that would let strangers in.
    ///
    /// - Throws: `FileServerError` with what to do instead.
    static func check(_ configuration: FileServer.Configuration) throws(FileServerError) {
        guard configuration.listen.isLoopback else {
            throw FileServerError(
                "\(configuration.listen) can be reached by strangers and there is no "
                    + "authentication yet: listen on 127.0.0.1 or [::1]")
        }
        let address = configuration.advertise ?? configuration.listen
        if address.isWildcard {
            throw FileServerError(
                "\(address) stands for every address and nobody can connect to it: advertise the "
                    + "address by which clients reach this server")
        }
        if configuration.advertise?.port == 0 {
            throw FileServerError("\(address) has no port: advertise host:port")
        }
        if address.isLoopback,
            let other = configuration.nameServers.first(where: { !$0.isLoopback })
        {
            throw FileServerError(
                "the name server at \(other) is on another machine, where \(address) is another "
                    + "server: --advertise an address that it can reach")
        }
    }
}
