import DFSProtocol
import DFSTransport

/// The entries of a directory, or all below one; pages are asked for while one reads on.
///
/// Ordered bytewise. Pages are no snapshot: what changes between them may be seen or not.
public struct Listing: AsyncSequence, Sendable {
    /// What is listed.
    public typealias Element = Entry
    /// What stops a listing midway; the entries so far are void.
    public typealias Failure = DFSError

    enum Source: Sendable {
        case list(after: [UInt8]?)
        case find(pattern: [UInt8]?, kind: Entry.Kind?)
    }

    let client: DFSClient
    let path: TreePath
    let source: Source
    let pageLimit: Int64?

    /// Starts at the first entry; nothing has been asked yet.
    public func makeAsyncIterator() -> Iterator { Iterator(listing: self) }

    /// Reads one entry after the other.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let listing: Listing
        private var page: [Entry] = []
        private var index = 0
        /// Whether the last page has been read.
        public private(set) var isAtEnd = false
        private var last: Entry?

        init(listing: Listing) { self.listing = listing }

        /// The next entry, or nil at the end.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(DFSError) -> Entry? {
            while index == page.count {
                guard let page = try await nextPage() else { return nil }
                self.page = page
                index = 0
            }
            defer { index += 1 }
            return page[index]
        }

        /// The next entry, or nil at the end.
        public mutating func next() async throws(DFSError) -> Entry? {
            try await next(isolation: nil)
        }

        /// The next page of up to 10,000 entries, or nil at the end.
        public mutating func nextPage(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(DFSError) -> [Entry]? {
            guard !isAtEnd else { return nil }
            let reply = try await listing.ask(after: last)
            guard Int64(reply.items.count) <= listing.pageLimit ?? 10_000 else {
                throw .violation("more entries than were asked for", path: listing.path)
            }
            var entries: [Entry] = []
            entries.reserveCapacity(reply.items.count)
            for item in reply.items where EntryReader.isKnown(item.line) {
                let entry = try listing.read(item.line)
                if last == nil, case .list(let start?) = listing.source,
                    !start.lexicographicallyPrecedes(entry.name)
                {
                    throw .violation("an entry before those asked for", path: listing.path)
                }
                // Strictly ascending, or a server could keep a client reading the same for ever.
                if let last, !listing.isAscending(last, entry) {
                    throw .violation("a listing that is out of order", path: listing.path)
                }
                last = entry
                entries.append(entry)
            }
            isAtEnd = reply.final.text("more") != "yes"
            if entries.isEmpty && !isAtEnd {
                throw .violation("an empty page that is not the last", path: listing.path)
            }
            return entries
        }
    }

    /// Reads to the end.
    public func all() async throws(DFSError) -> [Entry] {
        var iterator = makeAsyncIterator()
        var entries: [Entry] = []
        while let page = try await iterator.nextPage() { entries += page }
        return entries
    }

    private func ask(after last: Entry?) async throws(DFSError) -> Reply {
        var request: ClientRequest
        switch source {
        case .list(let name):
            request = client.request(.list, path)
            if let name = last?.name ?? name { request.option("after", name) }
        case .find(let pattern, let kind):
            request = client.request(.find, path)
            if let pattern { request.option("name", pattern) }
            if let kind { request.option("type", kind == .file ? "file" : "dir") }
            if let last { request.option("after", last.path.bytes) }
        }
        if let pageLimit { request.option("limit", pageLimit) }
        return try await client.askNameServer(request, about: path, client.patience())
    }

    private func read(_ line: ReplyLine) throws(DFSError) -> Entry {
        switch source {
        case .list: try EntryReader.entry(of: line, in: path)
        case .find: try EntryReader.entry(of: line, below: path)
        }
    }

    private func isAscending(_ left: Entry, _ right: Entry) -> Bool {
        switch source {
        case .list: left.name.lexicographicallyPrecedes(right.name)
        case .find: left.path < right.path
        }
    }
}
