import DFSProtocol

/// The rules for addresses: where a server may listen, and what it may tell others to connect to.
enum Advertisement {
    /// Refuses an address that could not work or that would let strangers in.
    ///
    /// - Throws: `FileServerError` with what to do instead.
    static func check(_ configuration: FileServer.Configuration) throws(FileServerError) {
        guard configuration.listen.isLoopback else {
            throw FileServerError(
                "\(configuration.listen) can be reached by strangers and there is no authentication "
                    + "yet: listen on 127.0.0.1 or [::1]")
        }
        guard let advertise = configuration.advertise else { return }
        if advertise.isWildcard {
            throw FileServerError(
                "\(advertise) stands for every address and nobody can connect to it: advertise the "
                    + "address by which clients reach this server")
        }
        // Port 0 stands for the port that the system gives; only the own address can mean that.
        if advertise.port == 0, advertise.host != configuration.listen.host {
            throw FileServerError("\(advertise) has no port: advertise host:port")
        }
        let others = configuration.nameServers.filter { !$0.isLoopback }
        if advertise.isLoopback, let other = others.first {
            throw FileServerError(
                "the name server at \(other) is on another machine, where \(advertise) is another "
                    + "server: advertise an address that it can reach")
        }
    }
}
