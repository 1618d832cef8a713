import DFSClient
import DFSProtocol

/// Brings files from the tree to this machine: to a temporary name, verified, then renamed.
struct Download: Sendable {
    let session: ShellSession
    let tally: TransferTally
    /// Whether permission bits and times are kept as they are.
    let keepsAttributes: Bool

    /// Brings one file; the old one, if any, stays until the new one is whole.
    func file(
        _ entry: Entry, as name: [UInt8], in directory: LocalDirectory
    ) async throws {
        try await tally.file { meter in
            try await file(entry, as: name, in: directory, meter)
        }
    }

    private func file(
        _ entry: Entry, as name: [UInt8], in directory: LocalDirectory,
        _ meter: TransferTally.Meter
    ) async throws {
        let disk = session.disk
        var head: ByteBuffer?
        var file: LocalFile?
        do {
            _ = try await session.client.fetch(entry.path, listedAs: entry) { bytes in
                meter.moved(bytes.readableBytes)
                // The first piece waits: most files have no second, and need one visit to the disk.
                guard let first = head else {
                    if file == nil { head = bytes } else { try await append(bytes, file) }
                    return
                }
                head = nil
                let new = try await disk.createTemporary(for: name, in: directory)
                file = new
                try await disk.append(first, to: new)
                try await disk.append(bytes, to: new)
            }
            let attributes = try await attributes(of: entry)
            if let file {
                try await disk.finish(file, as: name, attributes)
            } else {
                try await disk.place(head ?? ByteBuffer(), as: name, in: directory, attributes)
            }
        } catch {
            if let file { await disk.discard(file) }
            throw error
        }
    }

    private func append(_ bytes: ByteBuffer, _ file: LocalFile?) async throws {
        if let file { try await session.disk.append(bytes, to: file) }
    }

    private func attributes(of entry: Entry) async throws -> LocalAttributes {
        var mode = entry.mode
        if mode == nil { mode = try await session.client.stat(entry.path).entry.mode }
        return LocalAttributes(
            mode: mode, keepsAll: keepsAttributes, modified: keepsAttributes ? entry.modified : nil)
    }
}

/// Brings a whole directory: many files side by side, and every failure told.
struct TreeDownload {
    /// How much travels at once, in units of a small file.
    private static let capacity = 32
    /// A file over this many bytes counts as several: memory is bounded by what is in flight.
    private static let smallFileBytes: Int64 = 131_072

    private let download: Download
    private let top: TreePath
    /// The directories that are open from the top down to where the listing is.
    private var open: [(path: TreePath, directory: LocalDirectory)]
    /// A directory that can not be made here: what is below it is missing too, and told once.
    private var blocked: TreePath?

    init(_ download: Download, of top: TreePath, into directory: LocalDirectory) {
        self.download = download
        self.top = top
        open = [(top, directory)]
    }

    /// Brings everything below the top; failures are told and counted.
    ///
    /// - Throws: What ends the whole: the listing itself failed, once what is under way has come
    ///   to its end; or the task was cancelled.
    mutating func run() async throws {
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
    }

    /// Begins file after file, as many side by side as there is room for.
    private mutating func begin(in group: inout ThrowingTaskGroup<Int, any Error>) async throws {
        var used = 0
        var pages = download.session.client.find(top).makeAsyncIterator()
        while let page = try await pages.nextPage() {
            for entry in page {
                try Task.checkCancellation()
                guard let directory = try await place(for: entry) else { continue }
                // What can not be had is told at once, in the order of the listing.
                guard entry.isAvailable else {
                    try await download.fileOrTell(entry, in: directory)
                    continue
                }
                let cost = TreeDownload.cost(of: entry)
                while used > 0, used + cost > TreeDownload.capacity {
                    used -= try await group.next() ?? 0
                }
                if download.tally.leavesTheRest() { return }
                used += cost
                group.addTask { [download] in
                    try await download.fileOrTell(entry, in: directory)
                    return cost
                }
            }
        }
    }

    private static func cost(of entry: Entry) -> Int {
        entry.size <= smallFileBytes ? 1 : entry.size <= 1_048_576 ? 4 : 8
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
        return isFile ? open.last?.directory : nil
    }
}

extension Download {
    /// Brings a file of a tree; tells a failure and lets the others go on.
    ///
    /// - Throws: Only when the task was cancelled.
    func fileOrTell(_ entry: Entry, in directory: LocalDirectory) async throws {
        do {
            try await file(entry, as: entry.name, in: directory)
        } catch {
            try await tally.tell(error, session)
        }
    }
}
