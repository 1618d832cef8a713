import DFSProtocol

/// Work that is done in slices, so that no request holds the loop for long.
///
/// Jobs take turns: each does one slice and goes to the end of the line.
enum Job {
    case find(FindJob)
    case usage(UsageJob)
    case report(ReportJob)
    case removal(RemovalJob)
    case measuring(MeasuringJob)
    case returning(ReturningJob)

    /// Nodes that one slice looks at.
    static let steps = 2000
    /// Nodes that may wait for a commit before jobs that change something pause.
    static let backlog = 50_000

    /// Whose answer it is about.
    var asker: Asker? {
        switch self {
        case .find(let job): job.asker
        case .usage(let job): job.asker
        case .report(let job): job.asker
        case .removal, .measuring, .returning: nil
        }
    }

    /// Whether it changes nothing, so that it may be dropped at any point.
    var isRead: Bool {
        switch self {
        case .find, .usage: true
        case .report, .removal, .measuring, .returning: false
        }
    }
}

extension NameAuthority {
    /// Whether `work` has something to do.
    public var hasWork: Bool {
        jobs.contains { $0.isRead || catalogue.dirtyNodes.count < Job.backlog }
    }

    /// Does one slice of the first job that may go on.
    public mutating func work(at now: Moment) {
        let mayChange = catalogue.dirtyNodes.count < Job.backlog
        guard let index = jobs.firstIndex(where: { $0.isRead || mayChange }) else { return }
        let job = jobs.remove(at: index)
        if let rest = slice(of: job, at: now) { jobs.append(rest) }
    }

    /// Does the first slice of a job at once, so that a small one is over when its request returns.
    mutating func begin(_ job: Job, at now: Moment) {
        if let rest = slice(of: job, at: now) { jobs.append(rest) }
    }

    private mutating func slice(of job: Job, at now: Moment) -> Job? {
        switch job {
        case .find(var job): return find(&job, at: now) ? nil : .find(job)
        case .usage(var job): return usage(&job) ? nil : .usage(job)
        case .report(var job): return report(&job, at: now) ? nil : .report(job)
        case .removal(var job): return removal(&job, at: now) ? nil : .removal(job)
        case .measuring(var job): return measure(&job, at: now) ? nil : .measuring(job)
        case .returning(var job): return giveBack(&job, at: now) ? nil : .returning(job)
        }
    }
}
