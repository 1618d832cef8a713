import DFSProtocol
import Testing

@testable import FileService

/// A link with its store, its clock and everything it asked for.
struct LinkBench {
    let store = MemoryStore()
    var link: Link
    var now = MonotonicTime(nanoseconds: 0)
    var actions: [LinkAction] = []
    /// The load that was asked for last.
    var cut: ReportBatch.Cut?

    init(nameServers: [UInt16] = [7400], seed: UInt64 = 1) throws {
        link = Link(
            Link.Configuration(
                id: .fs1, mounts: [try path("/A")],
                address: Endpoint(host: "127.0.0.1", port: 7401),
                epoch: 4, nameServers: nameServers.map { Endpoint(host: "127.0.0.1", port: $0) },
                seed: seed), generation: 0)
    }

    /// Hands an event over and keeps what comes of it.
    @discardableResult
    mutating func receive(_ event: LinkEvent) -> [LinkAction] {
        actions = link.receive(event, at: now)
        cut = actions.compactMap(\.cut).last ?? cut
        return actions
    }

    mutating func advance(_ milliseconds: Int64) -> [LinkAction] {
        now = now.advanced(milliseconds: milliseconds)
        return receive(.timePassed)
    }

    /// Answers a request with a line.
    @discardableResult
    mutating func reply(_ request: LinkRequest, _ line: String) throws -> [LinkAction] {
        receive(.replied(session: link.session, request, .success(try reply(line))))
    }

    @discardableResult
    mutating func refuse(
        _ request: LinkRequest, _ code: String, retry: Int64? = nil
    ) -> [LinkAction] {
        let refusal = LinkRefusal(code: code, advice: "advice", retryMilliseconds: retry)
        return receive(.replied(session: link.session, request, .failure(refusal)))
    }

    func reply(_ line: String) throws -> ReplyLine {
        var parser = LineParser()
        return try ReplyLine([UInt8](line.utf8).span, parser: &parser)
    }

    /// Does the load that was asked for last.
    @discardableResult
    mutating func load() throws -> [LinkAction] {
        let cut = try #require(cut)
        let batch = Result { () throws(RequestError) in try ReportBatch.load(cut, from: store) }
        return receive(.loaded(session: link.session, batch))
    }

    /// Brings the link to where the name server has accepted it.
    mutating func register(_ answer: String) throws {
        receive(.started)
        receive(.connected(session: link.session))
        try reply(.hello, "OK version=1 caps=push")
        try reply(.register(generation: 0), answer)
    }

    /// Registers, and lets everything be known.
    mutating func catchUp() throws {
        try register("OK next=1000 suspect=2500 down=3500 inventory=since gen=0")
    }

    mutating func notice(_ line: String) throws -> [LinkAction] {
        receive(.notice(session: link.session, try reply(line)))
    }
}

extension LinkAction {
    /// The action in one line.
    var text: String {
        switch self {
        case .connect(let endpoint, _): "connect \(endpoint.port)"
        case .disconnect: "disconnect"
        case .send(let request, _, _): "send \(request.text)"
        case .load(.changes(let after), _): "load changes \(after)"
        case .load(.inventory(let after), _): "load inventory \(after?.description ?? "start")"
        case .perform(let order, _): "perform \(order.number) \(order.kind)"
        case .acknowledged(let generation): "acknowledged \(generation)"
        case .unreachable: "unreachable"
        case .caughtUp: "caught up"
        case .note: "note"
        case .giveUp(let sentence): "give up: \(sentence)"
        case .stopped: "stopped"
        }
    }

    var cut: ReportBatch.Cut? {
        if case .load(let cut, _) = self { cut } else { nil }
    }

    var report: (batch: ReportBatch, generation: Int64?)? {
        if case .send(.report(let batch, let generation), _, _) = self {
            (batch, generation)
        } else {
            nil
        }
    }
}

extension LinkRequest {
    var text: String {
        switch self {
        case .hello: "hello"
        case .register(let generation): "register \(generation ?? -1)"
        case .report(let batch, let generation):
            "report \(batch.count) gen \(generation ?? -1)"
        case .heartbeat(let sequence): "heartbeat \(sequence)"
        case .done(let number, let error): "done \(number) \(error?.rawValue ?? "")"
        case .goodbye(let isAway): isAway ? "goodbye away" : "goodbye"
        }
    }
}

extension [LinkAction] {
    /// The actions without notes for the log.
    var texts: [String] { map(\.text).filter { $0 != "note" } }
}

extension LinkBench {
    mutating func advanceTo(_ time: MonotonicTime?) {
        if let time { now = time }
        receive(.timePassed)
    }

    mutating func afterLoad(_ batch: ReportBatch?) -> (batch: ReportBatch, generation: Int64?)? {
        receive(.loaded(session: link.session, .success(batch))).compactMap(\.report).first
    }
}
