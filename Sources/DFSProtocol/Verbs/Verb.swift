/// Every verb that works today; a verb without a specification does not compile.
///
/// - Source: Protocol.md, "Verbs".
public enum Verb: String, CaseIterable, Sendable {
    // Every role.
    case hello = "HELLO"
    case help = "HELP"
    case ping = "PING"
    case status = "STATUS"
    case cancel = "CANCEL"
    case quit = "QUIT"
    // Both roles, each about what it knows.
    case stat = "STAT"
    case list = "LIST"
    case setAttributes = "SETATTR"
    // Name server.
    case locate = "LOCATE"
    case find = "FIND"
    case diskUsage = "DU"
    case servers = "SERVERS"
    case create = "CREATE"
    case makeDirectory = "MKDIR"
    case remove = "REMOVE"
    case rename = "RENAME"
    case watch = "WATCH"
    // File server to name server.
    case register = "REGISTER"
    case report = "REPORT"
    case heartbeat = "HEARTBEAT"
    case goodbye = "GOODBYE"
    case done = "DONE"
    // File server.
    case open = "OPEN"
    case read = "READ"
    case write = "WRITE"
    case append = "APPEND"
    case truncate = "TRUNCATE"
    case sync = "SYNC"
    case close = "CLOSE"
    case renew = "RENEW"
    case resume = "RESUME"
    case follow = "FOLLOW"
    case handles = "HANDLES"
    case kill = "KILL"
    case fetch = "FETCH"
    case store = "STORE"
    case pull = "PULL"
    case digest = "DIGEST"

    /// Finds a verb by its letters, in either case, without an allocation.
    public init?(_ letters: Span<UInt8>) {
        if Verb.isLocate(letters) {
            self = .locate
            return
        }
        guard let packed = Verb.packed(letters), let verb = Verb.byName[packed] else { return nil }
        self = verb
    }

    private static let byName = Dictionary(
        uniqueKeysWithValues: allCases.compactMap { verb in
            packed([UInt8](verb.rawValue.utf8).span).map { ($0, verb) }
        })

    /// Up to 16 letters, in upper case, as one number; nil where there are none or more.
    private static func packed(_ letters: Span<UInt8>) -> UInt128? {
        guard (1...16).contains(letters.count) else { return nil }
        var word: UInt128 = 0
        for index in 0..<letters.count {
            let byte = letters[index]
            word = word << 8 | UInt128(byte.isASCIILetter ? byte & 0xDF : byte)
        }
        return word
    }

    /// The most frequent verb by far is told apart before anything is looked up.
    @inline(__always)
    private static func isLocate(_ letters: Span<UInt8>) -> Bool {
        guard letters.count == 6 else { return false }
        var packed: UInt64 = 0
        for index in 0..<6 { packed = packed << 8 | UInt64(letters[index] & 0xDF) }
        return packed == 0x4C4F_4341_5445
    }

    /// What the verb takes on a role, or nil where that role does not have it.
    public func specification(for role: Role) -> VerbSpecification? {
        switch role {
        case .name: Verb.rowsOfNameServer[self]
        case .file: Verb.rowsOfFileServer[self]
        }
    }

    /// The rows, built once: every request that is not answered in place looks its verb up.
    private static let rowsOfNameServer = rows(for: .name)
    private static let rowsOfFileServer = rows(for: .file)

    private static func rows(for role: Role) -> [Verb: VerbSpecification] {
        var rows: [Verb: VerbSpecification] = [:]
        for verb in allCases {
            rows[verb] = verb.specifications.first { $0.roles.contains(role) }
        }
        return rows
    }

    /// The verbs of one role, in the order of the documents.
    public static func all(for role: Role) -> [Verb] {
        allCases.filter { $0.specification(for: role) != nil }
    }
}
