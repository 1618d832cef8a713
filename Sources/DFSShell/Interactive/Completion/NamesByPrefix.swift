import DFSClient
import DFSProtocol

/// The names of a directory that begin with some bytes, as far as Tab has a use for them.
///
/// What is asked for does not grow with the directory: the server is asked from the prefix on, and
/// no further than to where it ends, or to as many names as a person could look at.
struct NamesByPrefix: Sendable {
    /// More names than these are neither read nor shown.
    static let limit = 1000
    /// Names of the first page that is asked for.
    private static let firstPage: Int64 = 101

    let directory: TreePath
    let prefix: [UInt8]
    /// Files are passed over; here the whole range is read where it has few directories.
    var onlyDirectories = false

    func find(_ client: DFSClient) async throws -> CompletionAnswer {
        async let itself = named(client)
        var (found, isWhole) = try await range(behind: prefix.isEmpty ? nil : prefix, client)
        let dot = UInt8(ascii: ".")
        if prefix.isEmpty, !isWhole, found.allSatisfy({ $0.name.first == dot }) {
            // Names that Tab does not offer unasked must not hide those behind them.
            let (others, areAll) = try await range(behind: NamesByPrefix.last([dot]), client)
            found = others.isEmpty ? found : others
            isWhole = areAll && !others.isEmpty
        }
        if let itself = try await itself { found.insert(itself, at: 0) }
        let beginning = isWhole ? nil : try await beginning(of: found.map(\.name), client)
        return CompletionAnswer(found, beginningOfMore: beginning)
    }

    /// What has the prefix for its whole name: a listing starts behind it.
    private func named(_ client: DFSClient) async throws -> CompletionCandidate? {
        // Many a prefix can be no name, such as one dot.
        guard !prefix.isEmpty, let path = try? directory.appending(prefix) else { return nil }
        do throws(DFSError) {
            return candidate(try await client.stat(path).entry)
        } catch {
            if error.known == .notFound { return nil }
            throw error
        }
    }

    private func candidate(_ entry: Entry) -> CompletionCandidate? {
        let isDirectory = entry.kind == .directory
        if onlyDirectories, !isDirectory { return nil }
        return CompletionCandidate(name: entry.name, isDirectory: isDirectory)
    }

    /// Names behind one, and whether they are all that begin with the prefix.
    private func range(
        behind name: [UInt8]?, _ client: DFSClient
    ) async throws -> ([CompletionCandidate], isWhole: Bool) {
        var found: [CompletionCandidate] = []
        // Mostly few begin so; directories are looked for among all.
        var pageLimit: Int64? = onlyDirectories ? nil : NamesByPrefix.firstPage
        var last = name
        while true {
            var pages = client.list(directory, after: last, pageLimit: pageLimit)
                .makeAsyncIterator()
            let page = try await pages.nextPage() ?? []
            for entry in page {
                guard entry.name.starts(with: prefix) else { return (found, true) }
                guard let candidate = candidate(entry) else { continue }
                if found.count == NamesByPrefix.limit { return (found, false) }
                found.append(candidate)
            }
            if pages.isAtEnd { return (found, true) }
            last = page.last?.name
            if pageLimit != nil { pageLimit = Int64(NamesByPrefix.limit + 1) }
        }
    }

    /// What all names of the range begin with, found from the first ones of it.
    ///
    /// Behind the last name that could begin as these do stands the first that does not, if any:
    /// each answer is one name, and makes the beginning shorter.
    private func beginning(
        of names: [[UInt8]], _ client: DFSClient
    ) async throws -> [UInt8] {
        var common = Completion.commonPrefix(of: names)
        while common.count > prefix.count {
            let others = client.list(directory, after: NamesByPrefix.last(common), pageLimit: 1)
            var pages = others.makeAsyncIterator()
            guard let other = try await pages.nextPage()?.first?.name, other.starts(with: prefix)
            else { break }
            common = Completion.commonPrefix(of: [other, common])
        }
        return common
    }

    /// The greatest name that begins with some bytes.
    private static func last(_ beginning: [UInt8]) -> [UInt8] {
        beginning
            + Array(repeating: 0xFF, count: max(0, Limits.componentBytes - beginning.count))
    }
}
