/// One operation of one client on one file, as the client saw it.
///
/// Offsets, counts and sizes are in words of `FileContent`; the server is asked in bytes.
struct FileOperation: Hashable, Sendable {
    /// What was asked for.
    enum Action: Hashable, Sendable {
        /// OPEN, which binds a new session to the file that has the name now.
        case open(session: Int)
        /// READ at an offset.
        case read(session: Int, offset: Int, count: Int)
        /// WRITE of the first `count` words of this operation.
        case write(session: Int, offset: Int, count: Int)
        /// APPEND of the first `count` words of this operation.
        case append(session: Int, count: Int)
        /// TRUNCATE.
        case truncate(session: Int, size: Int)
        /// SYNC.
        case sync(session: Int)
        /// STAT of a session.
        case stat(session: Int)
        /// FETCH of a range by the file's name.
        case fetch(offset: Int, count: Int)
        /// STORE of the first `count` words of this operation.
        case store(count: Int)
        /// STAT of the file's name.
        case look

        /// The session that it used; nil where it opened one or named the file.
        var session: Int? {
            switch self {
            case .read(let session, _, _), .write(let session, _, _), .append(let session, _),
                .truncate(let session, _), .sync(let session), .stat(let session):
                session
            case .open, .fetch, .store, .look: nil
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

    /// Told apart from all other operations of a campaign; what it writes carries this number.
    let id: UInt32
    /// Who asked, for people.
    let client: Int
    let action: Action
    var answer: Answer
    /// When it was asked for, by a clock that all clients share.
    let invoked: Int
    /// When it was answered; without an answer the last moment at which it can have happened.
    var returned: Int

    /// Whether a replacement of the file ran at the same time; set by the check.
    var isRacing = false

    /// Whether it happened for certain.
    var isCertain: Bool {
        if case .none = answer { false } else { true }
    }

    /// Whether it leaves everything as it is, so that it may as well happen earlier.
    var isObservation: Bool {
        switch action {
        case .read, .fetch, .stat, .look, .sync: return true
        case .open, .write, .append, .truncate, .store: return false
        }
    }

    /// Whether it begins a session.
    var isOpening: Bool {
        if case .open = action { true } else { false }
    }

    /// Whether both ran at some moment.
    func overlaps(_ other: FileOperation) -> Bool {
        invoked < other.returned && other.invoked < returned
    }

    /// Whether it gives the name to another file.
    var isReplacement: Bool {
        if case .store = action { true } else { false }
    }

    /// Whether others can tell if it happened; nobody uses a session whose OPEN was not answered.
    var hasEffect: Bool {
        if case .open = action { return isCertain }
        return !isObservation
    }
}

extension FileOperation: CustomStringConvertible {
    /// `17..23 client 2 #5 write(session: 3, offset: 0, count: 512): size(512)`.
    var description: String {
        let end = returned == .max ? "" : "\(returned)"
        let sentence =
            switch answer {
            case .content(let content, let isEnd, let size):
                "\(content)\(isEnd ? ", end" : "")\(size.map { ", size \($0)" } ?? "")"
            case .size(let size): "size \(size)"
            case .done: "OK"
            case .stale: "stale-file"
            case .none(let loss): "no answer (\(loss))"
            }
        return "\(invoked)..\(end) client \(client) #\(id) \(action): \(sentence)"
    }
}
