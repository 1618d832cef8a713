import DFSProtocol

extension DiskWork {
    /// Does the work; blocks, so it runs on the storage pool and never on an event loop.
    ///
    /// - Parameters:
    ///   - payload: The bytes that stand for `RequestData.attached`.
    ///   - space: Takes what READ and FETCH read; its bytes count only if this returns.
    ///   - isWanted: Asked now and then by work that reads a whole file; false ends it.
    /// - Throws: What the store throws, and `too-large` for a FETCH that does not fit.
    public func run(
        on store: any FileStore, payload: UnsafeRawBufferPointer, space: inout some ReadSpace,
        isWanted: () -> Bool = { true }
    ) throws(RequestError) -> DiskOutcome {
        switch self {
        case .open(let path, let access, let mode, let version):
            return try DiskWork.open(path, access, mode, version, store)
        case .confirm(let file, let path, let version):
            return try DiskWork.confirm(file, path, version)
        case .read(let file, let offset, let count, let asText):
            return try DiskWork.read(file, offset, count, asText: asText, &space)
        case .look(let file, let offset, let count):
            return try DiskWork.look(file, offset, count, &space)
        case .write(let file, let offset, let data, let version):
            try data.use(payload) { (bytes) throws(RequestError) in
                try file.write(bytes, at: offset, ifVersion: version)
            }
            return .wrote(count: data.count, size: try file.facts().size)
        case .append(let file, let data):
            var size: Int64 = 0
            try data.use(payload) { (bytes) throws(RequestError) in
                size = try file.append(bytes)
            }
            return .wrote(count: data.count, size: size)
        case .truncate(let file, let size):
            try file.truncate(to: size)
            return .wrote(count: 0, size: size)
        case .sync(let file): return .facts(try file.sync())
        case .close(let file): return .facts(try file.close())
        case .describe(let file): return .facts(try file.facts())
        case .setFileAttributes(let file, let mode, let mtime):
            return .facts(try file.setAttributes(mode: mode, mtime: mtime))
        case .digest(let path, let range):
            let pair = range.map { (offset: $0.offset, count: $0.count) }
            let (sha256, facts) = try store.digest(path, range: pair, isWanted: isWanted)
            return .digest(sha256: sha256, facts)
        default: return try runOnPath(store, payload, &space)
        }
    }

    /// Begins a STORE: its data is written when this returns, and the rest needs no thread.
    ///
    /// - Parameter finish: Called once, from any thread, when the file is durable under its name or
    ///   refused.
    /// - Returns: Whether it is a STORE; everything else is for `run`.
    public func begin(
        on store: any FileStore, payload: UnsafeRawBufferPointer,
        then finish: @escaping @Sendable (Result<DiskOutcome, RequestError>) -> Void
    ) -> Bool {
        guard case .store(let path, let data, let mode, let mtime, let version) = self else {
            return false
        }
        do throws(RequestError) {
            let replacement = try store.beginReplacement(of: path, mode: mode)
            do throws(RequestError) {
                try data.use(payload) { (bytes) throws(RequestError) in
                    try replacement.write(bytes)
                }
            } catch {
                replacement.abandon()
                throw error
            }
            replacement.commit(mtime: mtime, ifVersion: version) { result in
                finish(result.map { .entry($0) })
            }
        } catch {
            finish(.failure(error))
        }
        return true
    }

    private func runOnPath(
        _ store: any FileStore, _ payload: UnsafeRawBufferPointer, _ space: inout some ReadSpace
    ) throws(RequestError) -> DiskOutcome {
        switch self {
        case .entry(let path): return .entry(try store.entry(path))
        case .list(let path, let after, let limit, let tag):
            return try DiskWork.list(path, after, limit, tag, store)
        case .fetch(let path, let range, let limit):
            return try DiskWork.fetch(path, range, limit, store, &space)
        case .store(let path, let data, let mode, let mtime, let version):
            let replacement = try store.beginReplacement(of: path, mode: mode)
            defer { replacement.abandon() }
            try data.use(payload) { (bytes) throws(RequestError) in try replacement.write(bytes) }
            return .entry(try replacement.commit(mtime: mtime, ifVersion: version))
        case .setAttributes(let path, let mode, let mtime):
            return .entry(try store.setAttributes(path, mode: mode, mtime: mtime))
        default:
            // A disk that does not tell its free bytes still has a status worth showing.
            return .census(store.census(), freeBytes: try? store.freeBytes())
        }
    }

    private static func open(
        _ path: TreePath, _ access: FileAccess, _ mode: FileMode?, _ version: Int64?,
        _ store: any FileStore
    ) throws(RequestError) -> DiskOutcome {
        if store.isShortOfDescriptors {
            throw RequestError(
                .busy, path: path,
                "this server has as many files open as it may; CLOSE some, or try again",
                fields: [.init("retry", number: 1000)])
        }
        let file = try store.open(path, access, mode: mode, ifVersion: version)
        do throws(RequestError) {
            return .opened(file, try file.facts())
        } catch {
            // The first error is the one to tell; nothing was written through this descriptor.
            _ = try? file.close()
            if file.isNew {
                throw RequestError(
                    .io, path: path, "it was made, and then the disk did not tell what it is")
            }
            throw error
        }
    }

    private static func confirm(
        _ file: any OpenFile, _ path: TreePath, _ version: Int64?
    ) throws(RequestError) -> DiskOutcome {
        guard !file.isStale else {
            throw RequestError(.staleFile, path: path, "the file was replaced; OPEN it again")
        }
        let facts = try file.facts()
        if let version, version != facts.ver { throw .conflict(path, is: facts.ver) }
        return .facts(facts)
    }

    private static func read(
        _ file: any OpenFile, _ offset: Int64, _ count: Int, asText: Bool,
        _ space: inout some ReadSpace
    ) throws(RequestError) -> DiskOutcome {
        guard asText else {
            let filled = try space.fill(count) { (buffer) throws(RequestError) in
                try file.read(at: offset, into: buffer)
            }
            return .read(
                count: filled, reachedEnd: try isEnd(file, offset, filled, wanted: count))
        }
        var text = [UInt8](repeating: 0, count: count)
        let filled = try text.fillInPlace { (buffer) throws(RequestError) in
            try file.read(at: offset, into: buffer)
        }
        text.removeLast(count - filled)
        return .text(text, reachedEnd: try isEnd(file, offset, filled, wanted: count))
    }

    /// Whether the file is stale is asked first: what is read then is all that it will ever hold.
    private static func look(
        _ file: any OpenFile, _ offset: Int64, _ count: Int, _ space: inout some ReadSpace
    ) throws(RequestError) -> DiskOutcome {
        let isStale = file.isStale
        let filled = try space.fill(count) { (buffer) throws(RequestError) in
            try file.read(at: offset, into: buffer)
        }
        if filled == count { return .looked(count: filled, size: nil, isStale: isStale) }
        // Where bytes were read the end is behind them, whatever the file has become since.
        let size = filled > 0 ? offset + Int64(filled) : try file.facts().size
        return .looked(count: filled, size: size, isStale: isStale)
    }

    /// Whether nothing follows what was read; looks one byte further where that is not known yet.
    private static func isEnd(
        _ file: any OpenFile, _ offset: Int64, _ count: Int, wanted: Int
    ) throws(RequestError) -> Bool {
        if count < wanted { return true }
        let (next, overflow) = offset.addingReportingOverflow(Int64(count))
        if overflow || next == .max { return true }
        var probe: [UInt8] = [0]
        return try probe.fillInPlace { (buffer) throws(RequestError) in
            try file.read(at: next, into: buffer)
        } == 0
    }

    private static func fetch(
        _ path: TreePath, _ range: FileRange?, _ limit: Int, _ store: any FileStore,
        _ space: inout some ReadSpace
    ) throws(RequestError) -> DiskOutcome {
        let file = try store.open(path, .read, mode: nil)
        // A session that only read has nothing to lose when its descriptor goes.
        defer { _ = try? file.close() }
        let facts = try file.facts()
        let offset = range?.offset ?? 0
        let wanted = range?.count ?? facts.size
        if range == nil, facts.size > Int64(limit) {
            throw RequestError(
                .tooLarge, path: path,
                "FETCH takes ranges of a large file: FETCH path offset count",
                fields: [.init("size", number: facts.size), .init("max", number: limit)])
        }
        let room = Int(min(wanted, Int64(limit), max(0, facts.size - offset)))
        let filled = try space.fill(room) { (buffer) throws(RequestError) in
            try file.read(at: offset, into: buffer)
        }
        let (end, overflow) = offset.addingReportingOverflow(Int64(filled))
        return .fetched(
            file.identity, facts, count: filled,
            reachedEnd: overflow || end >= facts.size || filled < room)
    }

    /// Writes the items here, so that the event loop need not format thousands of lines.
    private static func list(
        _ path: TreePath, _ after: [UInt8]?, _ limit: Int, _ tag: Tag?, _ store: any FileStore
    ) throws(RequestError) -> DiskOutcome {
        let (entries, hasMore) = try store.list(path, after: after, limit: limit)
        var lines = LineWriter()
        for (index, entry) in entries.enumerated() {
            lines.begin(tag: tag)
            let name = [UInt8](entry.path.name)
            if entry.isDirectory {
                lines.append("* dir")
                lines.pair("name", name)
            } else {
                lines.append("* file")
                lines.pair("name", name)
                lines.pair("size", entry.facts.size)
                lines.pair("mtime", entry.facts.mtime.text)
                lines.pair("ver", entry.facts.ver)
                if entry.facts.fid > 0 { lines.pair("fid", entry.facts.fid) }
            }
            lines.end()
            let isLast = index + 1 == entries.count
            if lines.bytes.count >= Limits.listBytes || isLast, !isLast || hasMore {
                return .listing(lines, count: index + 1, after: name)
            }
        }
        return .listing(lines, count: entries.count, after: nil)
    }
}

extension RequestData {
    /// Shows the bytes, wherever they are.
    func use(
        _ payload: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) throws(RequestError) -> Void
    ) throws(RequestError) {
        guard case .inline(let bytes) = self else {
            // The host lets go of a payload with its connection; nothing shorter is written for it.
            guard payload.count == count else {
                throw RequestError(.cancelled, "the connection ended before this was done")
            }
            return try body(payload)
        }
        let result = bytes.withUnsafeBytes { buffer -> Result<Void, RequestError> in
            Result { () throws(RequestError) in try body(buffer) }
        }
        try result.get()
    }
}

extension [UInt8] {
    fileprivate mutating func fillInPlace(
        _ body: (UnsafeMutableRawBufferPointer) throws(RequestError) -> Int
    ) throws(RequestError) -> Int {
        let result = withUnsafeMutableBytes { buffer -> Result<Int, RequestError> in
            Result { () throws(RequestError) in try body(buffer) }
        }
        return try result.get()
    }
}
