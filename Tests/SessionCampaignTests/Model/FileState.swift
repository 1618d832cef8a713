/// What a file server promises of one name: the model that histories are held against.
///
/// A session follows the file that it opened. STORE puts another file under the name, REMOVE takes
/// the name away: older sessions read what theirs had, and everything else of theirs is
/// `stale-file`. RENAME moves the file to a second name, where nobody looks, and back.
///
/// - Source: Protocol.md, "Sessions".
struct FileState: Hashable, Sendable {
    /// A file on the disk, with a name or without one.
    struct File: Hashable, Sendable {
        /// The operation that made it; 0 for what was there first.
        let maker: UInt32
        var content: FileContent
        /// Nil until somebody was told.
        var fid: Int64?
        var ver: Int64
        /// Sessions with changes that no version counts yet, in order.
        var uncounted: [Int] = []

        /// Counts all changes so far, once.
        mutating func count() {
            if !uncounted.isEmpty { ver += 1 }
            uncounted = []
        }
    }

    /// What a session has.
    struct Binding: Hashable, Sendable {
        let session: Int
        /// The file that it follows.
        let maker: UInt32
        /// In words.
        var cursor = 0
        var lock: FileOperation.Lock?
    }

    /// Every file that a name or a session leads to, by its maker.
    private(set) var files: [File] = []
    /// Which file has the name.
    private(set) var named: UInt32?
    /// Which file has the name beside it.
    private(set) var aside: UInt32?
    /// Identities of files that were removed, in order.
    private(set) var pastFids: [Int64] = []
    /// What was removed without an answer before the server was killed.
    private(set) var lost: File?
    /// Ordered by session.
    private(set) var bound: [Binding] = []

    /// No file.
    static let nothing = FileState(nil)

    /// A file that no operation of the history made, in version 0; none for nil.
    init(_ content: FileContent? = FileContent()) {
        guard let content else { return }
        files = [File(maker: 0, content: content, ver: 0)]
        named = 0
    }

    /// Words of a page: a kernel that is told to kill a writer stops between two of them.
    static let pageWords = 4096 / FileContent.wordBytes

    /// Does one operation at this moment.
    ///
    /// - Returns: What can be afterwards: nothing where the answer is not what it should be, and
    ///   several states where only part of a write may have been made.
    func after(_ operation: FileOperation) -> [FileState] {
        switch operation.action {
        case .open(let session, let making, let lock):
            opening(session, making, lock, operation)
        case .make: making(operation)
        case .find(let session): finding(session)
        case .read(let session, let offset, let count):
            reading(file(of: session), offset, count, operation)
        case .readOn(let session, let count): readingOn(session, count, operation)
        case .fetch(let offset, let count):
            reading(file(named), offset, count, operation)
        case .stat(let session): looking(file(of: session), operation)
        case .look: looking(file(named), operation)
        case .sync(let session): syncing(session, operation)
        case .truncate(let session, let size):
            changing(session, operation) { [$0.truncated(to: size)] }
        case .write(let session, let offset, let count):
            changing(session, operation) {
                FileState.writing(operation, count, at: offset, over: $0)
            }
        case .append(let session, let count):
            changing(session, operation) {
                FileState.writing(operation, count, at: $0.count, over: $0)
            }
        case .close(let session): closing(session, operation)
        case .end(let session): ending(session)
        case .kill(let session): killing(session)
        case .store(let count): storing(count, operation)
        case .remove: removing(operation)
        case .putAside, .bringBack: moving(operation)
        case .restart: restarting()
        }
    }

    /// Whether another state differs in nothing but the bytes of its files.
    func hasSizes(of other: FileState) -> Bool {
        named == other.named && aside == other.aside && bound == other.bound
            && pastFids == other.pastFids && lost == other.lost && files.count == other.files.count
            && zip(files, other.files).allSatisfy {
                $0.maker == $1.maker && $0.ver == $1.ver && $0.fid == $1.fid
                    && $0.uncounted == $1.uncounted && $0.content.count == $1.content.count
            }
    }

    // MARK: Parts

    /// A file by its maker.
    func file(_ maker: UInt32?) -> File? { files.first { $0.maker == maker } }

    /// The file that a session follows.
    func file(of session: Int) -> File? { file(binding(session)?.maker) }

    /// What a session has; nil where it is over.
    func binding(_ session: Int) -> Binding? { bound.first { $0.session == session } }

    /// Whether a name leads to a file.
    func hasName(_ file: File) -> Bool { file.maker == named || file.maker == aside }

    /// The same with one file changed.
    func setting(_ file: File) -> FileState {
        var next = self
        if let place = files.firstIndex(where: { $0.maker == file.maker }) {
            next.files[place] = file
        }
        return next
    }

    /// The same with another file under the name, and one more if it is a new one.
    func naming(_ file: File?) -> FileState {
        var next = self
        next.named = file?.maker
        if let file, self.file(file.maker) == nil {
            let place = files.firstIndex { $0.maker > file.maker } ?? files.count
            next.files.insert(file, at: place)
        }
        return next
    }

    /// The same with another file beside the name.
    func puttingAside(_ maker: UInt32?) -> FileState {
        var next = self
        next.aside = maker
        return next
    }

    /// The same with an identity that must not come again.
    func forgetting(_ fid: Int64?) -> FileState {
        guard let fid, !pastFids.contains(fid) else { return self }
        var next = self
        next.pastFids.insert(fid, at: pastFids.firstIndex { $0 > fid } ?? pastFids.count)
        return next
    }

    /// The same with a file that a killed server may not have noted as removed; nil for none.
    func losing(_ file: File?) -> FileState {
        var next = self
        next.lost = file
        return next
    }

    /// The same with an identity that is in use again.
    func remembering(_ fid: Int64?) -> FileState {
        var next = self
        next.pastFids.removeAll { $0 == fid }
        return next
    }

    /// The same with one session more, or with a session changed.
    func binding(_ binding: Binding) -> FileState {
        var next = self
        if let place = bound.firstIndex(where: { $0.session == binding.session }) {
            next.bound[place] = binding
        } else {
            let place = bound.firstIndex { $0.session > binding.session } ?? bound.count
            next.bound.insert(binding, at: place)
        }
        return next
    }

    /// The same without some sessions.
    func unbinding(where isOver: (Binding) -> Bool) -> FileState {
        var next = self
        next.bound.removeAll(where: isOver)
        return next
    }

    /// The same without files that nothing leads to any more.
    var pruned: FileState {
        var next = self
        next.files.removeAll { file in
            !hasName(file) && !bound.contains { $0.maker == file.maker }
        }
        return next
    }

    /// The same, if a file is what an answer told of it; the first answer tells its identity.
    ///
    /// What is told of a file that has lost its name is not looked at.
    func agreeing(_ told: FileOperation.Facts, on file: File?) -> [FileState] {
        guard var file else { return [] }
        guard hasName(file) else { return [self] }
        if let ver = told.ver, ver != file.ver { return [] }
        guard let fid = told.fid, fid != file.fid else { return [self] }
        let isTaken = pastFids.contains(fid) || files.contains { hasName($0) && $0.fid == fid }
        guard file.fid == nil, !isTaken else { return [] }
        file.fid = fid
        return [setting(file)]
    }
}
