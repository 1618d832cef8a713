import DFSProtocol

/// REGISTER, HEARTBEAT, GOODBYE, REPORT and DONE: what file servers say.
extension NameAuthority {
    /// Makes a connection a file server's own.
    mutating func register(
        _ request: Request, _ asker: Asker, at now: Moment
    ) throws(RequestError) {
        guard asker.takesNotices else {
            throw RequestError(.badState, "say HELLO 1 caps=push first: notices are part of this")
        }
        guard let id = ServerID(request.operands[0]) else {
            throw RequestError(.badArgument, "a server id has letters, digits, dots and dashes")
        }
        let mounts = try mounts(request)
        let address = try address(request, asker)
        let epoch = try request.number("epoch") ?? 0
        let generation = try request.number("gen")
        if let other = membership.server(on: asker.connection), membership[other].id != id {
            throw RequestError(
                .badState, "this connection is registered as \(membership[other].id)",
                fields: [.init("server", membership[other].id.bytes)])
        }
        let known = membership.everRegistered(id)
        // One that was retired comes back as a new one: its old epochs bind nobody.
        if let known, !known.isRetired { try admit(known, epoch, asker) }
        let number: UInt16
        if let known {
            number = known.number
        } else {
            number = try add(id, mounts, address, epoch, at: now)
            membership[number].owed = nil
        }
        if let known, known.connection != asker.connection { lose(number, at: now) }
        try take(number, mounts, address, epoch)
        agree(number, generation)
        membership[number].awaited = membership[number].generation == nil ? .max : generation
        // Who came back as a new one, or counts no changes, owes nothing that could be named.
        if membership[number].owed != nil {
            membership[number].owed = known?.isRetired == true ? nil : generation
        }
        if let change = membership.attach(number, to: asker.connection, at: now) { tell(change) }
        act(.keepOpen(asker.connection))
        act(.log(.info, "\(id) registered at \(address), epoch \(epoch)"))
        answerAfterCommit(asker, welcome(number, asker.tag), isRepeatable: true)
    }

    private func mounts(_ request: Request) throws(RequestError) -> [TreePath] {
        var mounts: [TreePath] = []
        var bytes = 0
        for index in 1..<request.operands.count {
            let mount = try request.path(at: index)
            if mounts.contains(mount) {
                throw RequestError(.badArgument, path: mount, "a mount is named once")
            }
            mounts.append(mount)
            bytes += mount.bytes.count
            guard mounts.count <= Limits.mounts, bytes <= Limits.mountBytes else {
                throw RequestError(
                    .tooMany,
                    "a file server has at most \(Limits.mounts) mounts with \(Limits.mountBytes) "
                        + "bytes together", fields: [.init("max", number: Limits.mounts)])
            }
        }
        return mounts.sorted()
    }

    private func address(_ request: Request, _ asker: Asker) throws(RequestError) -> Endpoint {
        let text = String(decoding: request.option("addr") ?? [], as: UTF8.self)
        let address = try Endpoint(text)
        let field = [RequestError.Field("addr", [UInt8](text.utf8))]
        if address.isWildcard || address.port == 0 {
            throw RequestError(
                .badArgument,
                "clients can not reach a wildcard or port 0; advertise a real address",
                fields: field)
        }
        if address.isLoopback, let peer = asker.peer, !peer.isLoopback {
            throw RequestError(
                .badArgument,
                "clients on other machines can not reach loopback; use --advertise host:port",
                fields: field)
        }
        return address
    }

    /// A higher epoch takes over; an equal one only where the connection before is gone or silent.
    private func admit(
        _ server: FileServer, _ epoch: Int64, _ asker: Asker
    ) throws(RequestError) {
        if epoch > server.epoch { return }
        let isAlone =
            server.connection == nil || server.connection == asker.connection
            || server.state != .up
        if epoch == server.epoch, isAlone { return }
        throw RequestError(
            .staleEpoch,
            epoch == server.epoch
                ? "\(server.id) is registered on another connection that is alive"
                : "\(server.id) has been here with a higher epoch",
            fields: [.init("server", server.id.bytes), .init("epoch", number: server.epoch)])
    }

    private mutating func add(
        _ id: ServerID, _ mounts: [TreePath], _ address: Endpoint, _ epoch: Int64, at now: Moment
    ) throws(RequestError) -> UInt16 {
        guard membership.servers.count < Membership.most else {
            throw RequestError(
                .tooMany, "a name server knows at most \(Membership.most) file servers",
                fields: [.init("max", number: Membership.most)])
        }
        let number = membership.servers.count + 1
        let row = CatalogueServer(
            number: UInt32(number), id: id, address: address, epoch: epoch, generation: nil,
            mounts: [], leave: nil, lastSeen: now.wall.seconds)
        do {
            try membership.add(row, at: now)
        } catch {
            throw RequestError(.internal, "the server could not be added")
        }
        return UInt16(number)
    }

    private mutating func take(
        _ number: UInt16, _ mounts: [TreePath], _ address: Endpoint, _ epoch: Int64
    ) throws(RequestError) {
        let old = membership[number].mounts
        if old != mounts {
            try pin(mounts, by: 1)
            try pin(old, by: -1)
            membership[number].mounts = mounts
            membership[number].generation = nil
        }
        membership[number].isRetired = false
        membership[number].address = address
        membership[number].epoch = epoch
    }

    /// Makes mount points directories that stay as long as a server with this mount is known.
    mutating func pin(_ mounts: [TreePath], by change: Int) throws(RequestError) {
        for mount in mounts {
            let node = try directory(mount, of: 0, time: WallTime(seconds: 0))
            var current = node
            while current != Catalogue.root {
                let parent = catalogue.records[Int(current)].parent
                let count = (catalogue.pins[current] ?? 0) + change
                catalogue.pins[current] = count > 0 ? count : nil
                if count > 0 {
                    catalogue.records[Int(current)].flags.insert(.pinned)
                } else {
                    catalogue.records[Int(current)].flags.remove(.pinned)
                }
                current = parent
            }
            if change < 0 { _ = catalogue.collect(node) }
        }
    }

    /// Goes on from the generation that is in, or forgets it until a new inventory has ended.
    ///
    /// Else a plain REPORT could name a generation in the middle of an inventory that never ends.
    private mutating func agree(_ number: UInt16, _ generation: Int64?) {
        catalogue.mentions[number] = nil
        brokenInventories.remove(number)
        if let kept = membership[number].generation, let generation, kept <= generation { return }
        membership[number].generation = nil
    }

    private func welcome(_ number: UInt16, _ tag: Tag?) -> LineWriter {
        var line = LineWriter()
        line.begin(tag: tag)
        line.append("OK")
        line.pair("next", pace.beat)
        line.pair("suspect", pace.suspect)
        line.pair("down", pace.down)
        if let kept = membership[number].generation {
            line.pair("inventory", "since")
            line.pair("gen", kept)
        } else {
            line.pair("inventory", "full")
        }
        line.end()
        return line
    }

    /// The server whose own this connection is.
    ///
    /// - Throws: `stale-epoch` where it is registered elsewhere, `unknown-server` where it is not
    ///   at all.
    private func registered(
        _ request: Request, _ asker: Asker
    ) throws(RequestError) -> UInt16 {
        let id = ServerID(request.operands[0])
        if let number = membership.server(on: asker.connection), membership[number].id == id {
            return number
        }
        if let id, let server = membership.server(id), server.connection != nil {
            throw isElsewhere(server)
        }
        throw RequestError(
            .unknownServer, "register first on this connection",
            fields: [.init("server", request.operands[0])])
    }

    /// The refusal for a connection whose server has registered on another one.
    func isElsewhere(_ server: FileServer) -> RequestError {
        RequestError(
            .staleEpoch, "\(server.id) is registered on another connection",
            fields: [.init("server", server.id.bytes), .init("epoch", number: server.epoch)])
    }

    mutating func heartbeat(_ request: Request, _ asker: Asker) throws(RequestError) {
        let number = try registered(request, asker)
        if let epoch = try request.number("epoch"), epoch != membership[number].epoch {
            throw RequestError(
                .staleEpoch, "this registration has another epoch",
                fields: [
                    .init("server", membership[number].id.bytes),
                    .init("epoch", number: membership[number].epoch),
                ])
        }
        if let free = try request.number("free") { membership[number].free = free }
        if let load = try request.number("load") { membership[number].load = load }
        var line = LineWriter()
        line.begin(tag: asker.tag)
        line.append("OK")
        line.pair("next", pace.beat)
        line.end()
        answer(asker, line)
    }

    mutating func goodbye(_ request: Request, _ asker: Asker, at now: Moment) throws(RequestError) {
        let number = try registered(request, asker)
        lose(number, at: now)
        let isAway = request.option("why")?.elementsEqual("away".utf8) ?? false
        membership[number].leave = isAway ? .away : .stopped
        if let change = membership.set(number, .goodbye) { tell(change) }
        answerAfterCommit(asker, accepted(asker), isRepeatable: true)
    }

    mutating func report(
        _ request: Request, _ data: [UInt8], _ asker: Asker, at now: Moment
    ) throws(RequestError) {
        let number = try registered(request, asker)
        let inventory: ReportJob.Inventory =
            switch request.option("inventory").map({ String(decoding: $0, as: UTF8.self) }) {
            case "more": .more
            case "end": .end
            default: .none
            }
        let job = ReportJob(
            asker: asker, server: number, inventory: inventory,
            generation: try request.number("gen"), data: data)
        if reports[number] != nil {
            reports[number]?.append(job)
        } else {
            reports[number] = []
            begin(.report(job), at: now)
        }
    }

    mutating func done(_ request: Request, _ asker: Asker, at now: Moment) throws(RequestError) {
        guard let number = membership.server(on: asker.connection) else {
            throw RequestError(.unknownServer, "register first on this connection")
        }
        let code = request.option("error").map { word in
            ErrorCode(rawValue: String(decoding: word, as: UTF8.self)) ?? .internal
        }
        let operation = try request.number("op") ?? 0
        noticeDepartures()
        let finished = try operations.answer(operation, by: number, code)
        answer(asker, accepted(asker))
        if let finished { conclude(finished, at: now) }
    }

    /// `OK` and nothing else.
    func accepted(_ asker: Asker) -> LineWriter {
        var line = LineWriter()
        line.begin(tag: asker.tag)
        line.append("OK")
        line.end()
        return line
    }
}
