/// One operation of one client on one file, as the client saw it.
///
/// Offsets, counts and sizes are in words of `FileContent`; the server is asked in bytes.
struct FileOperation: Hashable, Sendable {
    /// A lock that a session may have.
    enum Lock: String, Hashable, Sendable {
        case shared, exclusive
    }

    /// How OPEN is meant where there is a file, and where there is none.
    enum Making: Hashable, Sendable {
        /// `rw`: the file must be there.
        case nothing
        /// `create`: an absent file is made.
        case absent
        /// `create-new`: the file must not be there.
        case new
    }

    /// What was asked for.
    enum Action: Hashable, Sendable {
        /// OPEN, which binds a new session to the file that has the name now.
        case open(session: Int, making: Making = .nothing, lock: Lock? = nil)
        /// The first half of an OPEN that may make the file: where there is none, it is made. The
        /// second half binds the session and tells the file's facts of that later moment.
        case make
        /// The step of an OPEN that finds the file by its name, where RENAME runs at the same time:
        /// what follows is about that file, whatever name it has by then.
        case find(session: Int)
        /// READ at an offset.
        case read(session: Int, offset: Int, count: Int)
        /// READ from the session's cursor, which it moves.
        case readOn(session: Int, count: Int)
        /// WRITE of the first `count` words of this operation.
        case write(session: Int, offset: Int, count: Int)
        /// APPEND of the first `count` words of this operation.
        case append(session: Int, count: Int)
        /// TRUNCATE.
        case truncate(session: Int, size: Int)
        /// SYNC.
        case sync(session: Int)
        /// STAT of a session, or what RESUME tells.
        case stat(session: Int)
        /// CLOSE.
        case close(session: Int)
        /// What the server does by itself when a connection or a lease has ended.
        case end(session: Int)
        /// KILL of a session, by whomever.
        case kill(session: Int)
        /// FETCH of a range by the file's name.
        case fetch(offset: Int, count: Int)
        /// STORE of the first `count` words of this operation.
        case store(count: Int)
        /// STAT of the file's name.
        case look
        /// REMOVE of the file's name.
        case remove
        /// RENAME of the file to the name beside it.
        case putAside
        /// RENAME of the file beside it to the file's name.
        case bringBack
        /// A new start of a killed server, which knows no session.
        case restart

        /// The session that it used; nil where it opened one or named the file.
        var session: Int? {
            switch self {
            case .read(let session, _, _), .readOn(let session, _), .write(let session, _, _),
                .append(let session, _), .truncate(let session, _), .sync(let session),
                .stat(let session), .close(let session), .end(let session), .kill(let session):
                session
            case .open, .make, .find, .fetch, .store, .look, .remove, .putAside, .bringBack,
                .restart:
                nil
            }
        }
    }

    /// What the client was told.
    enum Answer: Hashable, Sendable {
        /// OK with bytes, whether the end was reached, and for FETCH the size of the file.
        case content(FileContent, isEnd: Bool, size: Int?)
        /// OK with the size that the file has then.
        case size(Int)
        /// OK alone.
        case done
        /// `stale-file`: another file has the name now, and nothing was changed.
        case stale
        /// `not-found`: no file has the name.
        case absent
        /// `exists`: a file has the name.
        case exists
        /// `conflict`: the file has another version than `if-ver=` asked for.
        case conflict
        /// None: it happened once, or never.
        case none(Loss)

        /// What was read; nil where nothing was.
        var content: FileContent? {
            if case .content(let content, _, _) = self { content } else { nil }
        }
    }

    /// Why there was no answer.
    enum Loss: Hashable, Sendable {
        /// The connection ended, and the server went on.
        case connection
        /// The server was killed: a write may have ended between two pages.
        case kill
    }

    /// What an answer tells of a file besides; nil for what it does not tell.
    struct Facts: Hashable, Sendable {
        var fid: Int64?
        var ver: Int64?
    }

    /// Told apart from all other operations of a campaign; what it writes carries this number.
    let id: UInt32
    /// Who asked, for people.
    let client: Int
    var action: Action
    /// Its `if-ver=`.
    var ifVersion: Int64?
    var answer: Answer
    var told = Facts()
    /// When it was asked for, by a clock that all clients share.
    let invoked: Int
    /// When it was answered; without an answer the last moment at which it can have happened.
    var returned: Int

    /// Whether a replacement of the file ran at the same time; set by the check.
    var isRacing = false
    /// Whether a RENAME of the file ran at the same time; set by the check.
    var isMoving = false

    /// Whether it happened for certain.
    var isCertain: Bool {
        if case .none = answer { false } else { true }
    }

    /// Whether it leaves everything as it is, so that it may as well happen earlier.
    var isObservation: Bool {
        switch action {
        case .read, .fetch, .stat, .look: true
        default: false
        }
    }

    /// Whether it begins a session on whatever file has the name, and does nothing else.
    var isPlainOpening: Bool {
        if case .open(_, let making, nil) = action { making != .new } else { false }
    }

    /// Whether both ran at some moment.
    func overlaps(_ other: FileOperation) -> Bool {
        invoked < other.returned && other.invoked < returned
    }

    /// Whether it gives the name to another file, or to none.
    var isReplacement: Bool {
        switch action {
        case .store, .remove, .putAside, .bringBack: true
        default: false
        }
    }

    /// It, after the step that finds its file if RENAME ran at the same time.
    var foundFirst: [FileOperation] {
        guard isMoving, case .open(let session, let making, _) = action, case .size = answer,
            making != .new
        else { return [self] }
        var first = self
        first.action = .find(session: session)
        (first.answer, first.told) = (.done, Facts())
        return [first, self]
    }

    /// Whether it gives the file another name.
    var isRenaming: Bool { action == .putAside || action == .bringBack }

    /// Whether others can tell if it happened; nobody uses a session whose OPEN was not answered.
    var hasEffect: Bool {
        if case .open = action { return isCertain }
        return !isObservation
    }

    /// What the search takes for it: an OPEN that may make the file is two steps.
    var steps: [FileOperation] {
        guard case .open(_, let making, _) = action, making != .nothing, ifVersion == nil else {
            return [self]
        }
        var first = self
        first.action = .make
        first.told = Facts()
        switch answer {
        case .size:
            first.answer = making == .new ? .done : .none(.connection)
            return [first, self]
        // It made its file, which had lost the name when a session was to be bound to it.
        case .stale:
            first.answer = .done
            return [first]
        case .none: return [first]
        default: return [self]
        }
    }
}

extension FileOperation: CustomStringConvertible {
    /// `17..23 client 2 #5 write(session: 3, offset: 0, count: 512): size 512, ver 3`.
    var description: String {
        let end = returned == .max ? "" : "\(returned)"
        let sentence =
            switch answer {
            case .content(let content, let isEnd, let size):
                "\(content)\(isEnd ? ", end" : "")\(size.map { ", size \($0)" } ?? "")"
            case .size(let size): "size \(size)"
            case .done: "OK"
            case .stale: "stale-file"
            case .absent: "not-found"
            case .exists: "exists"
            case .conflict: "conflict"
            case .none(let loss): "no answer (\(loss))"
            }
        let facts =
            (told.ver.map { ", ver \($0)" } ?? "") + (told.fid.map { ", fid \($0)" } ?? "")
        let condition = ifVersion.map { " if-ver \($0)" } ?? ""
        return
            "\(invoked)..\(end) client \(client) #\(id) \(action)\(condition): \(sentence)\(facts)"
    }
}
