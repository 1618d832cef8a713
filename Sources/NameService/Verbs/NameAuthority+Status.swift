import DFSProtocol

/// SERVERS, STATUS and WATCH: how the whole is doing.
extension NameAuthority {
    mutating func servers(_ asker: Asker, at now: Moment) {
        var reply = LineWriter()
        let servers = membership.ordered
        for server in servers {
            let held = catalogue.holdingsOfServers[server.number] ?? .init()
            reply.begin(tag: asker.tag)
            reply.append("* server")
            reply.pair("id", server.id.bytes)
            reply.pair("addr", server.address.description)
            reply.pair("state", server.state.rawValue)
            if server.state == .goodbye, let leave = server.leave {
                reply.pair("why", leave.word)
            }
            if server.isReachable, !server.isWhole { reply.pair("inventory", "running") }
            reply.pair("seen", now.monotonic.milliseconds(since: server.lastSeen))
            reply.pair("files", held.files)
            reply.pair("bytes", held.bytes)
            if let free = server.free { reply.pair("free", free) }
            reply.append(" mounts=")
            var mounts = LineWriter()
            for (index, mount) in server.mounts.enumerated() {
                if index > 0 { mounts.append(byte: UInt8(ascii: " ")) }
                mounts.appendQuoted(mount.bytes)
            }
            reply.appendQuoted(mounts.bytes.span, always: true)
            reply.pair("epoch", server.epoch)
            reply.end()
        }
        reply.begin(tag: asker.tag)
        reply.append("OK")
        reply.pair("count", Int64(servers.count))
        reply.end()
        answer(asker, reply)
    }

    mutating func status(_ asker: Asker, at now: Moment) {
        var reply = LineWriter()
        reply.begin(tag: asker.tag)
        reply.append("OK")
        reply.pair("role", Role.name.rawValue)
        writeGreeting(into: &reply)
        reply.pair("uptime", uptime(at: now))
        reply.pair("files", Int64(catalogue.counts.files))
        reply.pair("dirs", Int64(catalogue.counts.directories))
        let servers = membership.ordered
        reply.pair("servers", Int64(servers.count))
        for state in [ServerState.up, .suspect, .down, .goodbye] {
            let count = servers.count { $0.state == state }
            switch state {
            case .up: reply.pair("up", Int64(count))
            case .suspect: reply.pair("suspect", Int64(count))
            case .down: reply.pair("down", Int64(count))
            case .goodbye: reply.pair("goodbye", Int64(count))
            }
        }
        reply.pair("conflicts", Int64(catalogue.counts.conflicts))
        reply.pair("claims", Int64(catalogue.claimDeadlines.count))
        reply.pair("seq", watchers.sequence)
        reply.pair("store", commits.failure?.rawValue ?? "ok")
        reply.end()
        answer(asker, reply)
    }

    mutating func watch(_ request: Request, _ asker: Asker) throws(RequestError) {
        guard asker.takesNotices else {
            throw RequestError(.badState, "say HELLO 1 caps=push first: changes come as notices")
        }
        let path = try request.path()
        let missed = try watchers.add(
            asker.connection, path, since: try request.number("since"))
        var reply = LineWriter()
        reply.begin(tag: asker.tag)
        reply.append("OK")
        reply.pair("seq", watchers.sequence)
        reply.end()
        answer(asker, reply)
        act(.keepOpen(asker.connection))
        let lines = missed ?? Watchers.gap(watchers.sequence)
        if !lines.isEmpty { notify(asker.connection, lines) }
    }
}
