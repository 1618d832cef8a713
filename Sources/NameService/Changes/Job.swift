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
    case merging(MergingJob)

    /// Nodes that one slice looks at.
    static let steps = 2000
    /// Nodes that one slice changes; each is a row, which costs the store more than all else.
    static let changes = 500
    /// Rows that may wait for a commit before jobs that change something pause.
    ///
    /// A batch is always everything that has changed, so that the store never holds half of a
    /// change; this keeps a batch small. A client's MKDIR waits for the batch that travels and for
    /// its own, each with the rows of two slices, whatever a file server reports meanwhile.
    static let backlog = changes

    /// Whose answer it is about.
    var asker: Asker? {
        switch self {
        case .find(let job): job.asker
        case .usage(let job): job.asker
        case .report(let job): job.asker
        case .removal, .measuring, .returning, .merging: nil
        }
    }

    /// Whether it changes nothing, so that it may be dropped at any point.
    var isRead: Bool {
        switch self {
        case .find, .usage: true
        case .report, .removal, .measuring, .returning, .merging: false
        }
    }
}

extension NameAuthority {
    /// Whether `work` has something to do.
    public var hasWork: Bool {
        watchers.hasNews || searches.isReady
            || (mayChange ? !jobs.isEmpty : jobs.contains { $0.isRead })
    }

    private var mayChange: Bool { catalogue.changedRows < Job.backlog }

    /// Does one slice of the first job that may go on.
    public mutating func work(at now: Moment) {
        while let job = searches.next() { jobs.append(job) }
        let mayChange = mayChange
        guard let index = jobs.firstIndex(where: { $0.isRead || mayChange }) else { return }
        let job = jobs.remove(at: index)
        if let rest = slice(of: job, at: now) { jobs.append(rest) }
    }

    /// Does the first slice of a job at once, so that a small one is over when its request returns.
    ///
    /// A report waits where many rows wait: nobody looks for its effect before it is answered.
    mutating func begin(_ job: Job, at now: Moment) {
        if case .report = job, !mayChange { return jobs.append(job) }
        if let rest = slice(of: job, at: now) { jobs.append(rest) }
    }

    /// Begins FIND or DU now, or when those before it are over.
    mutating func search(_ job: Job, _ asker: Asker, at now: Moment) {
        if searches.mayStart(asker.connection) {
            begin(job, at: now)
        } else {
            searches.wait(job, asker.connection)
        }
    }

    private mutating func slice(of job: Job, at now: Moment) -> Job? {
        switch job {
        case .find(var job):
            if !find(&job, at: now) { return .find(job) }
            searches.finished(job.asker.connection)
            return nil
        case .usage(var job):
            if !usage(&job) { return .usage(job) }
            searches.finished(job.asker.connection)
            return nil
        case .report(var job): return report(&job, at: now) ? nil : .report(job)
        case .removal(var job): return removal(&job, at: now) ? nil : .removal(job)
        case .measuring(var job): return measure(&job, at: now) ? nil : .measuring(job)
        case .returning(var job): return giveBack(&job, at: now) ? nil : .returning(job)
        case .merging(var job): return merge(&job, at: now) ? nil : .merging(job)
        }
    }
}
