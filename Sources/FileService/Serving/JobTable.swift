import DFSProtocol

/// The jobs that the disk has not answered, counted by the export that they are for.
struct JobTable: Sendable {
    private var jobs: [UInt64: PendingJob] = [:]
    private var asked: [Int]
    private var unasked: [Int]

    /// Takes how many exports are told apart.
    init(exports: Int) {
        asked = Array(repeating: 0, count: exports)
        unasked = asked
    }

    var count: Int { jobs.count }
    var isEmpty: Bool { jobs.isEmpty }

    /// How many jobs for an export belong to requests.
    func asked(of export: Int) -> Int { asked[export] }

    /// How many jobs for an export nobody asked for: they put away what was left open.
    func unasked(of export: Int) -> Int { unasked[export] }

    subscript(number: UInt64) -> PendingJob? {
        get { jobs[number] }
        set {
            let old = jobs[number]
            jobs[number] = newValue
            if let old { count(old, -1) }
            if let newValue { count(newValue, 1) }
        }
    }

    private mutating func count(_ job: PendingJob, _ change: Int) {
        if job.ticket == nil {
            unasked[job.export] += change
        } else {
            asked[job.export] += change
        }
    }

    mutating func removeValue(forKey number: UInt64) -> PendingJob? {
        guard let job = jobs.removeValue(forKey: number) else { return nil }
        count(job, -1)
        return job
    }

    /// The jobs for which something is so, in the order in which they were made.
    func all(where isSo: (PendingJob) -> Bool) -> [(key: UInt64, value: PendingJob)] {
        jobs.filter { isSo($0.value) }.sorted { $0.key < $1.key }
    }
}
