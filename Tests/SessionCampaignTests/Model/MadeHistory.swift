import TestCluster

/// Clients that overlap in time, on one name whose files are plain bytes.
///
/// It is right because it is made so: each operation happens at one moment between its call and its
/// answer, one after the other. Nothing of the model is used for it.
struct MadeHistory {
    /// A file as its bytes, with what a server tells of it.
    private struct MadeFile {
        var bytes: [UInt8] = []
        var ver: Int64 = 0
        let fid: Int64
        /// Clients whose session changed it since a version was counted.
        var changers: Set<Int> = []

        var words: Int { bytes.count / FileContent.wordBytes }

        mutating func count() {
            if !changers.isEmpty { ver += 1 }
            changers = []
        }
    }

    private struct MadeSession {
        let number: Int
        /// Which of the files it follows.
        let file: Int
        var cursor = 0
        var lock: FileOperation.Lock?
    }

    private(set) var operations: [FileOperation] = []
    private var random: SeededRandom
    private var files: [MadeFile] = []
    /// The file that has the name.
    private var named: Int?
    /// By client.
    private var sessions: [MadeSession?]
    private var fids: Int64 = 40
    private static let clients = 5

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        sessions = Array(repeating: nil, count: MadeHistory.clients)
        // Each client asks again soon after its answer; the moment of the effect lies between.
        var free = Array(repeating: 0, count: MadeHistory.clients)
        var calls: [(moment: Int, client: Int, time: Range<Int>)] = []
        for _ in 0..<80 {
            let client = Int.random(in: 0..<free.count, using: &random)
            let start = free[client] + Int.random(in: 1...20, using: &random)
            let end = start + Int.random(in: 1...60, using: &random)
            calls.append((Int.random(in: start..<end, using: &random), client, start..<end))
            free[client] = end
        }
        for call in calls.sorted(by: { $0.moment < $1.moment }) { happen(call.client, call.time) }
    }

    private var nextNumber: UInt32 { UInt32(operations.count + 1) }

    private mutating func add(
        _ client: Int, _ time: Range<Int>, _ action: FileOperation.Action,
        _ answer: FileOperation.Answer, telling file: MadeFile? = nil, ver: Int64? = nil,
        ifVersion: Int64? = nil
    ) {
        // Nobody would use the session of an OPEN that got no answer.
        var isLost = Int.random(in: 0..<12, using: &random) == 0 && operations.count > 10
        if case .open = action { isLost = false }
        let told = FileOperation.Facts(fid: file?.fid, ver: file?.ver ?? ver)
        operations.append(
            FileOperation(
                id: nextNumber, client: client, action: action, ifVersion: ifVersion,
                answer: isLost ? .none(.connection) : answer,
                told: isLost ? FileOperation.Facts() : told, invoked: time.lowerBound,
                returned: isLost ? .max : time.upperBound))
    }

    private mutating func happen(_ client: Int, _ time: Range<Int>) {
        switch Int.random(in: 0..<24, using: &random) {
        case 0..<2: store(client, time)
        case 2: remove(client, time)
        case 3..<6: fetch(client, time)
        case 6:
            let answer = named.map { FileOperation.Answer.size(files[$0].words) } ?? .absent
            add(client, time, .look, answer, telling: named.map { files[$0] })
        default:
            guard let session = sessions[client] else { return open(client, time) }
            use(session, client, time)
        }
    }
}

// What names the file.
extension MadeHistory {
    private mutating func open(_ client: Int, _ time: Range<Int>) {
        let making: FileOperation.Making =
            [.nothing, .absent, .new].randomElement(using: &random) ?? .nothing
        let lock: FileOperation.Lock? =
            [nil, nil, .shared, .exclusive].randomElement(using: &random) ?? nil
        let number = Int(nextNumber)
        let action = FileOperation.Action.open(session: number, making: making, lock: lock)
        if named != nil, making == .new { return add(client, time, action, .exists) }
        if named == nil {
            if making == .nothing { return add(client, time, action, .absent) }
            make(MadeFile(fid: newFid()))
        }
        guard let named else { return }
        let held = sessions.compactMap { $0?.file == named ? $0?.lock : nil }
        let isFree = held.isEmpty || lock == nil || (lock == .shared && !held.contains(.exclusive))
        sessions[client] = MadeSession(number: number, file: named, lock: isFree ? lock : nil)
        let granted = FileOperation.Action.open(
            session: number, making: making, lock: isFree ? lock : nil)
        let file = files[named]
        add(client, time, granted, .size(file.words), telling: file)
    }

    private mutating func newFid() -> Int64 {
        fids += 1
        return fids
    }

    private mutating func make(_ file: MadeFile) {
        files.append(file)
        named = files.count - 1
    }

    private mutating func store(_ client: Int, _ time: Range<Int>) {
        let count = Int.random(in: 1..<8, using: &random)
        let old = named.map { files[$0] }
        let wanted = Bool.random(using: &random) ? old.map { $0.ver } : nil
        if let old, let wanted, Bool.random(using: &random) {
            return add(
                client, time, .store(count: count), .conflict, ver: old.ver, ifVersion: wanted + 1)
        }
        let bytes = FileContent.bytes(writer: nextNumber, count: count)
        let file = MadeFile(bytes: bytes, ver: (old?.ver ?? 0) + 1, fid: old?.fid ?? newFid())
        make(file)
        add(client, time, .store(count: count), .size(count), telling: file, ifVersion: wanted)
    }

    private mutating func remove(_ client: Int, _ time: Range<Int>) {
        guard named != nil else { return }
        named = nil
        add(client, time, .remove, .done)
    }

    private mutating func fetch(_ client: Int, _ time: Range<Int>) {
        let (offset, count) = range()
        let action = FileOperation.Action.fetch(offset: offset, count: count)
        guard let named else { return add(client, time, action, .absent) }
        let answer = seen(files[named], offset, count, isFetch: true)
        add(client, time, action, answer, telling: files[named])
    }

    private mutating func range() -> (offset: Int, count: Int) {
        (Int.random(in: 0..<12, using: &random), Int.random(in: 1..<8, using: &random))
    }

    private func seen(
        _ file: MadeFile, _ offset: Int, _ count: Int, isFetch: Bool
    ) -> FileOperation.Answer {
        let range = min(offset, file.words)..<min(offset + count, file.words)
        let part = file.bytes[
            (range.lowerBound * FileContent.wordBytes)..<(range.upperBound * FileContent.wordBytes)]
        return .content(
            FileContent(Array(part)), isEnd: offset + range.count >= file.words,
            size: isFetch ? file.words : nil)
    }
}

// What a session does.
extension MadeHistory {
    private mutating func use(_ session: MadeSession, _ client: Int, _ time: Range<Int>) {
        let number = session.number
        let (offset, count) = range()
        let file = files[session.file]
        switch Int.random(in: 0..<16, using: &random) {
        case 0..<5: write(session, client, time)
        case 5:
            change(client, time, .append(session: number, count: count)) { bytes, data in
                bytes.write(Array(data.prefix(count * FileContent.wordBytes)), at: bytes.count)
            }
        case 6:
            change(client, time, .truncate(session: number, size: offset)) { bytes, _ in
                bytes.truncate(to: offset * FileContent.wordBytes)
            }
        case 7:
            guard session.file == named else {
                return add(client, time, .sync(session: number), .stale)
            }
            files[session.file].count()
            add(client, time, .sync(session: number), .done, ver: files[session.file].ver)
        case 8: close(session, client, time)
        case 9..<13:
            let answer = seen(file, session.cursor, count, isFetch: false)
            sessions[client]?.cursor += answer.content?.count ?? 0
            add(client, time, .readOn(session: number, count: count), answer)
        default:
            let answer = seen(file, offset, count, isFetch: false)
            add(client, time, .read(session: number, offset: offset, count: count), answer)
        }
    }

    private mutating func write(_ session: MadeSession, _ client: Int, _ time: Range<Int>) {
        let (offset, count) = range()
        let action = FileOperation.Action.write(
            session: session.number, offset: offset, count: count)
        let ver = files[session.file].ver
        if session.file == named, Int.random(in: 0..<4, using: &random) == 0 {
            return add(client, time, action, .conflict, ver: ver, ifVersion: ver + 1)
        }
        change(client, time, action, ifVersion: ver) { bytes, data in
            let written = data.prefix(count * FileContent.wordBytes)
            bytes.write(Array(written), at: offset * FileContent.wordBytes)
        }
    }

    private mutating func change(
        _ client: Int, _ time: Range<Int>, _ action: FileOperation.Action,
        ifVersion: Int64? = nil, _ body: (inout [UInt8], [UInt8]) -> Void
    ) {
        guard let file = sessions[client]?.file, file == named else {
            return add(client, time, action, .stale)
        }
        body(&files[file].bytes, FileContent.bytes(writer: nextNumber, count: 8))
        files[file].changers.insert(client)
        add(client, time, action, .size(files[file].words), ifVersion: ifVersion)
    }

    private mutating func close(_ session: MadeSession, _ client: Int, _ time: Range<Int>) {
        let action = FileOperation.Action.close(session: session.number)
        sessions[client] = nil
        let hasChanged = files[session.file].changers.contains(client)
        guard session.file == named else {
            let words = files[session.file].words
            return add(client, time, action, hasChanged ? .stale : .size(words))
        }
        if hasChanged { files[session.file].count() }
        let file = files[session.file]
        add(client, time, action, .size(file.words), ver: file.ver)
    }
}
