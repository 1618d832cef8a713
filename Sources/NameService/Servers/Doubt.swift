import DFSProtocol

/// What is not known after a start: what file servers made while no name server ran.
extension NameAuthority {
    /// The refusal for a name that is not known: it is not there, or nobody can tell yet.
    ///
    /// After a start nothing is concluded from the silence of servers before the down time is over;
    /// and never where all that could have the name are silent.
    func missing(_ path: TreePath, at now: Moment) -> RequestError {
        doubt(about: path, isLasting: true, at: now) ?? .isMissing(path)
    }

    /// Says which server has not told yet whether it has a name that is not known; nil where none.
    ///
    /// - Parameter isLasting: Whether silence counts also after the down time.
    func doubt(about path: TreePath, isLasting: Bool, at now: Moment) -> RequestError? {
        guard membership.mayOwe else { return nil }
        let owners = Placement.owners(of: path, membership.servers)
        let silent = owners.filter { !$0.isBack }
        guard let first = silent.first else { return nil }
        let isEarly = now.monotonic.milliseconds(since: started) < pace.down
        guard isEarly || isLasting && silent.count == owners.count else { return nil }
        return first.isDown(path, at: now, pace: pace)
    }
}
