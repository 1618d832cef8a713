import DFSProtocol

/// The entry for everything that is not answered in place.
extension NameAuthority {
    /// Takes a request that was checked against the table of verbs.
    ///
    /// Its answer is among the actions now, or comes after a commit, a slice of work or an owner's
    /// DONE.
    /// - Parameter data: The bytes of a payload or of the data in the line.
    public mutating func receive(
        _ request: Request, data: [UInt8], _ asker: Asker, at now: Moment
    ) {
        if let number = membership.server(on: asker.connection),
            let change = membership.seen(number, at: now)
        {
            tell(change)
        }
        take(request, data, asker, at: now)
    }

    /// Takes a request now or once more, which is no sign of life by itself.
    mutating func take(_ request: Request, _ data: [UInt8], _ asker: Asker, at now: Moment) {
        var asker = asker
        do throws(RequestError) {
            if try isRepeat(request, &asker, at: now) { return }
            if request.verb.isRefusedWithoutStore, let refusal = commits.refusal { throw refusal }
            try perform(request, data, asker, at: now)
        } catch {
            if request.verb == .report, request.option("inventory") != nil,
                let server = membership.server(on: asker.connection)
            {
                brokenInventories.insert(server)
            }
            refuse(asker, error, at: now)
        }
    }

    private mutating func perform(
        _ request: Request, _ data: [UInt8], _ asker: Asker, at now: Moment
    ) throws(RequestError) {
        switch request.verb {
        case .locate: try locate(request, asker, at: now)
        case .list: try list(request, asker, at: now)
        case .stat: try stat(request, asker, at: now)
        case .find: try find(request, asker, at: now)
        case .diskUsage: try usage(request, asker, at: now)
        case .servers: servers(asker, at: now)
        case .status: status(asker, at: now)
        case .watch: try watch(request, asker)
        case .create: try create(request, asker, at: now)
        case .makeDirectory: try makeDirectory(request, asker, at: now)
        case .setAttributes: try setAttributes(request, asker, at: now)
        case .remove: try remove(request, asker, at: now)
        case .rename: try rename(request, asker, at: now)
        case .register: try register(request, asker, at: now)
        case .report: try report(request, data, asker, at: now)
        case .heartbeat: try heartbeat(request, asker)
        case .goodbye: try goodbye(request, asker, at: now)
        case .done: try done(request, asker, at: now)
        default:
            throw RequestError(
                .unknownVerb,
                "this is the name server, and \(request.verb.rawValue) is for another role",
                fields: [.init("verb", [UInt8](request.verb.rawValue.utf8))])
        }
    }
}

extension Verb {
    /// Whether a request can only be refused while the catalogue can not be written.
    ///
    /// Signs of life and the end of what has begun are taken all the same.
    fileprivate var isRefusedWithoutStore: Bool {
        switch self {
        case .create, .makeDirectory, .setAttributes, .remove, .rename, .register, .report: true
        default: false
        }
    }
}

extension Request {
    /// The server that `server=` names; nil where it was not given.
    ///
    /// - Throws: `unknown-server`.
    func server(in membership: Membership) throws(RequestError) -> FileServer? {
        guard let value = option("server") else { return nil }
        guard let id = ServerID(value), let server = membership.server(id) else {
            throw RequestError(
                .unknownServer, "SERVERS lists those that are known",
                fields: [.init("server", value)])
        }
        return server
    }
}

extension RequestError {
    static func isMissing(_ path: TreePath) -> RequestError {
        RequestError(.notFound, path: path, "no such file or directory")
    }

    static func isDirectory(_ path: TreePath) -> RequestError {
        RequestError(.isDirectory, path: path, "this is a directory; LIST tells what is in it")
    }

    static func isNoDirectory(_ path: TreePath) -> RequestError {
        RequestError(.notDirectory, path: path, "this is a file and no directory")
    }
}
