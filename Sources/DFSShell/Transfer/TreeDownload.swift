import DFSClient
import DFSProtocol

/// Brings a whole directory: many files side by side, and every failure told.
struct TreeDownload {
    private let download: Download
    private let top: TreePath
    /// The directories that are open from the top down to where the listing is.
    private var open: [(path: TreePath, directory: LocalDirectory)]
    /// A directory that can not be made here: what is below it is missing too, and told once.
    private var blocked: TreePath?
    /// What of the tree is brought; nil for all of it.
    private let chosen: [Entry]?
    private let later = SecondAttempts()
    private let directories = DirectoryAttributes()

    /// - Parameter chosen: Entries below the top in the order of the tree; nil for all of it.
    init(
        _ download: Download, of top: TreePath, into directory: LocalDirectory,
        only chosen: [Entry]? = nil
    ) {
        self.download = download
        self.top = top
        self.chosen = chosen
        open = [(top, directory)]
    }

    /// Brings everything below the top; failures are told and counted.
    ///
    /// - Throws: What ends the whole: the listing itself failed, once what is under way has come
    ///   to its end; or the task was cancelled.
    mutating func run() async throws {
        await later.begin(download.session)
        try await withThrowingTaskGroup(of: Int.self) { group in
            var failure: DFSError?
            do {
                try await begin(in: &group)
            } catch let error as DFSError {
                failure = error
            }
            try await group.waitForAll()
            if let failure { throw failure }
        }
        try await later.run(download.session)
        if download.manner.keepsDirectories, let first = open.first {
            if !top.isRoot { directories.add(top) }
            try await directories.bring(
                below: top, into: first.directory, download.session, download.tally)
        }
    }

    /// Begins file after file, as many side by side as there is room for.
    private mutating func begin(in group: inout ThrowingTaskGroup<Int, any Error>) async throws {
        var used = 0
        var pages = download.session.client.find(top).makeAsyncIterator()
        var given = chosen
        while let page = try await (chosen == nil ? pages.nextPage() : given) {
            given = nil
            for entry in page {
                try Task.checkCancellation()
                if entry.kind == .file, entry.path.isNameOfPart {
                    if chosen == nil { download.leaveOut(part: entry.path) }
                    continue
                }
                guard let directory = try await place(for: entry) else { continue }
                // What can not be had is told at once, in the order of the listing.
                guard entry.isAvailable else {
                    try await download.fileOrTell(entry, in: directory, later: nil)
                    continue
                }
                let cost = Upload.cost(of: entry.size)
                while used > 0, used + cost > Upload.capacity {
                    used -= try await group.next() ?? 0
                }
                if download.tally.leavesTheRest() { return }
                used += cost
                group.addTask { [download, later] in
                    try await download.fileOrTell(entry, in: directory, later: later)
                    return cost
                }
            }
        }
    }

    /// Makes the directories that an entry needs; nil where it is one itself, or is blocked.
    private mutating func place(for entry: Entry) async throws -> LocalDirectory? {
        if let blocked, entry.path.isWithin(blocked) {
            if entry.kind == .file { download.tally.failed(.failed) }
            return nil
        }
        let isFile = entry.kind == .file
        guard let wanted = isFile ? entry.path.parent : entry.path else { return nil }
        while open.count > 1, let last = open.last, !wanted.isWithin(last.path) {
            open.removeLast()
        }
        while let last = open.last, last.path != wanted {
            guard let rest = wanted.relative(to: last.path),
                let name = rest.split(separator: TreePath.slash).first
            else { return nil }
            let next = try last.path.appending(name)
            do {
                let directory = try await download.session.disk.directory(
                    Array(name), in: last.directory, makes: true)
                open.append((next, directory))
            } catch let failure as LocalFailure {
                blocked = next
                download.tally.failed(download.session.tell(failure))
                return nil
            }
        }
        if let last = open.last, !last.path.isRoot { directories.add(last.path) }
        return isFile ? open.last?.directory : nil
    }
}
