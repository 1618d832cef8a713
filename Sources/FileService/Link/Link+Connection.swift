import DFSProtocol

// The life of a connection: found, registered, kept alive, lost, left.
extension Link {
    /// Gives up the connection and plans the next try.
    mutating func lose(
        _ reason: String, _ now: MonotonicTime, waiting milliseconds: Int64? = nil
    ) -> [LinkAction] {
        let server = configuration.nameServers[serverIndex]
        let what = phase == .connecting ? "can not reach" : "lost"
        var actions: [LinkAction] = [
            .disconnect(session: session), .unreachable,
            .note("\(what) the name server at \(server): \(reason)"),
        ]
        forgetConnection()
        if isStopping {
            phase = .stopped
            stopEnds = nil
            return actions + [.stopped]
        }
        stopEnds = nil
        if isAway {
            phase = .away
            return actions
        }
        phase = .waiting
        serverIndex = (serverIndex + 1) % configuration.nameServers.count
        let wait = milliseconds ?? backoff.next()
        backoffEnds = now.advanced(milliseconds: wait)
        actions.append(.note("trying again in \(wait) ms"))
        return actions
    }

    private mutating func forgetConnection() {
        // Orders belong to their connection: the name server does not wait for them any more.
        finishedOrders.removeAll()
        orders = RecentOrders()
        inventory = nil
        rest()
        isBeating = false
        beatsAt = nil
        pauseEnds = nil
        acknowledged = nil
    }

    /// Nothing of what was on its way matters any more.
    private mutating func rest() {
        (isLoading, isOutdated, isLoadedAnew) = (false, false, false)
        (isReporting, isTelling) = (false, false)
    }

    mutating func replied(
        _ request: LinkRequest, _ result: Result<ReplyLine, LinkRefusal>, _ now: MonotonicTime
    ) -> [LinkAction] {
        switch (request, result) {
        case (.hello, .success):
            return [send(.register(generation: newest))]
        case (.hello, .failure(let refusal)): return refused(refusal, now)
        case (.register, .success(let line)): return registered(line, now)
        case (.register, .failure(let refusal)): return refused(refusal, now)
        case (.heartbeat, .success(let line)):
            isBeating = false
            backoff.reset()
            beat(line, now)
            return []
        case (.heartbeat, .failure(let refusal)):
            isBeating = false
            if Link.isUnknown(refusal) { return registerAgain(refusal, now) }
            beatsAt = now.advanced(milliseconds: paceMilliseconds)
            return [.note("a heartbeat was refused: \(refusal.text)")]
        case (.report(let batch, _), .success): return reported(batch, now)
        case (.report, .failure(let refusal)): return reportRefused(refusal, now)
        case (.done, .success):
            isTelling = false
            return pump(at: now)
        case (.done, .failure(let refusal)):
            isTelling = false
            // The client was told `timeout`; the reports have told the rest.
            return [.note("the name server did not take DONE: \(refusal.text)")] + pump(at: now)
        case (.goodbye, _):
            let old = session
            forgetConnection()
            stopEnds = nil
            if isStopping {
                phase = .stopped
                return [.disconnect(session: old), .stopped]
            }
            phase = .away
            return [.disconnect(session: old), .unreachable] + (isAway ? [] : connect())
        }
    }

    private mutating func registered(_ line: ReplyLine, _ now: MonotonicTime) -> [LinkAction] {
        // The backoff stays: who registers and is thrown out at once does not come again at once.
        phase = .registered
        rest()
        inventory = nil
        beat(line, now)
        // A name server that does not say when it counts us out leaves the default.
        if let down = try? line.number("down"), down > 0 { downMilliseconds = min(down, 600_000) }
        var actions: [LinkAction] = []
        let server = configuration.nameServers[serverIndex]
        actions.append(.note("registered with the name server at \(server)"))
        wasRegistered = true
        // Without a generation that can be read everything is told anew.
        if line.text("inventory") == "since", let known = try? line.number("gen"), known <= newest {
            acknowledged = known
            actions.append(.acknowledged(known))
        } else {
            acknowledged = nil
            inventory = Inventory()
        }
        return actions + pump(at: now)
    }

    private mutating func refused(_ refusal: LinkRefusal, _ now: MonotonicTime) -> [LinkAction] {
        let isTransient =
            refusal.retryMilliseconds != nil
            || [
                ErrorCode.busy, .draining, .timeout, .internal, .io, .noSpace, .tooMany, .cancelled,
                .serverDown,
            ].contains { $0.rawValue == refusal.code }
        if !wasRegistered, !isTransient {
            let server = configuration.nameServers[serverIndex]
            phase = .stopped
            let actions: [LinkAction] = [
                .disconnect(session: session),
                .giveUp(
                    "the name server at \(server) refused this server: \(refusal.text)"
                        + Link.remedy(refusal)),
            ]
            forgetConnection()
            return actions
        }
        let wait = refusal.retryMilliseconds.map { min(max($0, 100), 60_000) }
        return lose("REGISTER was refused: \(refusal.text)", now, waiting: wait)
    }

    /// Comes again on a new connection where the name server does not know this one any more.
    ///
    /// A new connection, because what is on its way on this one belongs to the old registration.
    private mutating func registerAgain(
        _ refusal: LinkRefusal, _ now: MonotonicTime
    ) -> [LinkAction] {
        let index = serverIndex
        let actions = lose("it does not know this server: \(refusal.text)", now, waiting: 0)
        serverIndex = index
        return actions
    }

    /// What helps where the refusal itself does not say it.
    private static func remedy(_ refusal: LinkRefusal) -> String {
        guard refusal.code == ErrorCode.staleEpoch.rawValue else { return "" }
        return
            "; another server has this id, or the state of this one was lost: choose another --id"
    }

    private static func isUnknown(_ refusal: LinkRefusal) -> Bool {
        refusal.code == ErrorCode.staleEpoch.rawValue
            || refusal.code == ErrorCode.unknownServer.rawValue
    }

    private mutating func reportRefused(
        _ refusal: LinkRefusal, _ now: MonotonicTime
    ) -> [LinkAction] {
        isReporting = false
        if let retry = refusal.retryMilliseconds {
            pauseEnds = now.advanced(milliseconds: min(max(retry, 10), 60_000))
            return []
        }
        if Link.isUnknown(refusal) { return registerAgain(refusal, now) }
        return lose("a REPORT was refused: \(refusal.text)", now)
    }

    /// Plans the next heartbeat at the pace that the name server sets.
    private mutating func beat(_ line: ReplyLine, _ now: MonotonicTime) {
        // Without `next=` the last pace holds.
        if let next = try? line.number("next") { paceMilliseconds = min(max(next, 10), 60_000) }
        beatsAt = now.advanced(milliseconds: paceMilliseconds)
    }

    mutating func timePassed(_ now: MonotonicTime) -> [LinkAction] {
        var actions: [LinkAction] = []
        if let end = stopEnds, end <= now {
            return phase == .registered ? leave(now) : lose("it did not answer in time", now)
        }
        if let end = backoffEnds, end <= now { actions += connect() }
        if let end = pauseEnds, end <= now {
            pauseEnds = nil
            actions += pump(at: now)
        }
        if phase == .registered, !isBeating, let due = beatsAt, due <= now {
            isBeating = true
            beatNumber += 1
            actions.append(send(.heartbeat(sequence: beatNumber)))
        }
        return actions
    }

    mutating func stop(_ now: MonotonicTime) -> [LinkAction] {
        guard !isStopping, phase != .stopped else { return phase == .stopped ? [.stopped] : [] }
        isStopping = true
        guard phase == .registered else {
            let wasConnected = isConnected
            phase = .stopped
            backoffEnds = nil
            return (wasConnected ? [.disconnect(session: session)] : []) + [.stopped]
        }
        // An inventory is told again at the next start; changes are few and are told now.
        if inventory != nil { return leave(now) }
        stopEnds = now.advanced(milliseconds: Link.tellingMilliseconds)
        return pump(at: now)
    }

    /// Takes leave where there is nothing to serve: what is told of the files would not be so.
    mutating func goAway(_ now: MonotonicTime) -> [LinkAction] {
        guard !isAway, !isStopping else { return [] }
        isAway = true
        switch phase {
        case .registered: return [.note(Link.awaySentence)] + leave(now)
        case .leaving, .away, .stopped: return []
        case .idle, .waiting, .connecting, .registering:
            let actions: [LinkAction] = isConnected ? [.disconnect(session: session)] : []
            forgetConnection()
            backoffEnds = nil
            phase = .away
            return actions + [.unreachable]
        }
    }

    private static let awaySentence =
        "no exported folder is there any more: taking leave of the name server until one is back"

    /// Registers again.
    mutating func comeBack() -> [LinkAction] {
        isAway = false
        return phase == .away ? connect() : []
    }

    /// How long a planned stop waits for the last changes, and then for the answer to GOODBYE.
    private static let tellingMilliseconds: Int64 = 2_000
    private static let leavingMilliseconds: Int64 = 1_000

    /// Says goodbye.
    mutating func leave(_ now: MonotonicTime) -> [LinkAction] {
        phase = .leaving
        // Nothing beats any more: a beat that stayed due would keep the timer firing.
        beatsAt = nil
        stopEnds = now.advanced(milliseconds: Link.leavingMilliseconds)
        return [send(.goodbye(isAway: isAway && !isStopping))]
    }
}

extension LinkRefusal {
    /// Code and advice, for logs.
    var text: String { advice.isEmpty ? code : "\(code), \(Quoting.text([UInt8](advice.utf8)))" }
}
