import CPosix
import Glibc
import Synchronization
import TestCluster

/// Another program that swaps things in a served folder with each other and with things outside.
///
/// Each pair of names changes places in one step, `renameat2(RENAME_EXCHANGE)`, so that both names
/// always stand for something and every check can be overtaken.
final class Attacker: Sendable {
    /// Two names that change places, and what stands at them in the beginning.
    struct Pair: Sendable {
        let first: String
        let second: String
        let things: (Thing, Thing)
        /// Where new things are made before they are put in place in one step.
        let staging: String

        /// Puts something back where a request has removed it.
        func restore() throws {
            let (isFirst, isSecond) = (Thing.kind(at: first), Thing.kind(at: second))
            if isFirst == nil {
                try (isSecond == things.0.kind ? things.1 : things.0).make(first, in: staging)
            }
            if isSecond == nil {
                try (isFirst == things.1.kind ? things.0 : things.1).make(second, in: staging)
            }
        }
    }

    private let pairs: [Pair]
    private let swapped = Atomic(0)
    private let isOver = Atomic(false)
    private let running: Atomic<Int>

    /// Starts swapping on some threads, each with all pairs in turn.
    init(_ pairs: [Pair], threads: Int) throws {
        self.pairs = pairs
        running = Atomic(threads)
        for number in 0..<threads {
            try BlockingThread.start { [self] in
                var turn = number
                while !isOver.load(ordering: .relaxed) {
                    swap(pairs[turn % pairs.count])
                    turn += 1
                }
                running.subtract(1, ordering: .acquiringAndReleasing)
            }
        }
    }

    private func swap(_ pair: Pair) {
        let code = dfs_rename(
            AT_FDCWD, pair.first, AT_FDCWD, pair.second, UInt32(dfs_rename_exchange))
        if code == 0 {
            swapped.add(1, ordering: .relaxed)
        } else {
            // Two threads may do this at once: what fails is done by the other, or next time.
            try? pair.restore()
        }
    }

    /// Swaps that were made.
    var swaps: Int { swapped.load(ordering: .relaxed) }

    /// Ends it.
    func stop() throws {
        isOver.store(true, ordering: .relaxed)
        try Deadline().await("the attacker has ended") {
            running.load(ordering: .acquiring) == 0 ? true : nil
        }
    }
}

/// What can stand at a name.
enum Thing: Sendable {
    case file
    /// With a file in it.
    case folder
    case link(String)
    case fifo

    private static let numbers = Atomic(0)

    /// As `st_mode` has it.
    var kind: mode_t {
        switch self {
        case .file: S_IFREG
        case .folder: S_IFDIR
        case .link: S_IFLNK
        case .fifo: S_IFIFO
        }
    }

    /// What stands at a name; nil for nothing.
    static func kind(at path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    /// Makes it where nobody swaps anything, then gives it its name if that is free.
    ///
    /// Writing through the name itself could be led outside by our own swapping.
    func make(_ path: String, in staging: String) throws {
        let number = Thing.numbers.add(1, ordering: .relaxed).newValue
        let made = "\(staging)/\(number)"
        switch self {
        case .file: try FileSystem.write("inside", to: made)
        case .folder: try FileSystem.write("inside", to: "\(made)/file")
        case .link(let target): symlink(target, made)
        case .fifo: mkfifo(made, 0o600)
        }
        let noReplace: UInt32 = 1
        if dfs_rename(AT_FDCWD, made, AT_FDCWD, path, noReplace) != 0 {
            try FileSystem.remove(made)
        }
    }
}

/// The scene of the attack: an export, and canaries beside it that no request may read or change.
struct Arena: Sendable {
    /// The served folder, and what lies outside of it on the same disk.
    let export: String
    let outside: String
    /// Contents of all canaries; nothing else holds it.
    let canary: [UInt8]
    /// The server's own folder, wherever its name leads at the moment.
    private let own: Int32

    /// Size that only canaries have.
    static let canaryBytes = 48_611
    /// Time that only canaries have: 2001-02-03.
    static let canarySeconds: Int64 = 981_158_400

    /// Fills both folders.
    init(export: String, outside: String) throws {
        self.export = export
        self.outside = outside
        let word = Array("CANARY-4f1c9a-".utf8)
        canary = (0..<Arena.canaryBytes).map { word[$0 % word.count] }
        for name in [
            "secret", "dir/file", "dir/sub/file", "dir/outer", "dir/canary-name",
            "own/ledger.sqlite",
            "own/ledger.sqlite-reserve", "own/writing", "own/lock", "own/trash/canary-name",
            "trash/canary-name", "trash/deep/canary-name",
        ] {
            try FileSystem.write(canary, to: Array("\(outside)/\(name)".utf8))
            try FileSystem.setTime(Arena.canarySeconds, of: Array("\(outside)/\(name)".utf8))
        }
        for folder in ["dir", "dir/sub", "own", "own/trash", "trash", "trash/deep"] {
            try FileSystem.setTime(Arena.canarySeconds, of: Array("\(outside)/\(folder)".utf8))
        }
        try FileSystem.makeFolders("\(outside)/staging")
        try FileSystem.makeFolders("\(export)/a/deep/er")
        own = open("\(export)/.dfs", O_PATH | O_CLOEXEC)
        guard own >= 0 else { throw TestFailure("the server has no folder of its own") }
        for pair in pairs { try pair.restore() }
    }

    /// Everything that is swapped.
    var pairs: [Attacker.Pair] {
        [
            pair("a/dir", .folder, "a/dirlink", .link("\(outside)/dir")),
            pair("a/up", .folder, "a/uplink", .link("../../outside/dir")),
            pair("a/deep/er/dir", .folder, "a/deep/er/link", .link("\(outside)/dir")),
            // For the control: no request is about these two.
            pair("a/naive", .folder, "a/naivelink", .link("\(outside)/dir")),
            pair("a/file", .file, "a/filelink", .link("\(outside)/secret")),
            pair("a/plain", .file, "a/fifo", .fifo),
            pair("a/kind", .file, "a/kinddir", .folder),
            // What is really moved in is served as what it is: guests are no canaries.
            Attacker.Pair(
                first: "\(export)/a/guest", second: "\(outside)/guest",
                things: (.folder, .folder), staging: "\(outside)/staging"),
            pair(".dfs", .folder, "own-link", .link("\(outside)/own")),
            // By descriptor: its folder is swapped too, and nothing may be made outside by us.
            Attacker.Pair(
                first: "/proc/self/fd/\(own)/trash", second: "/proc/self/fd/\(own)/trash-link",
                things: (.folder, .link("\(outside)/trash")), staging: "\(outside)/staging"),
        ]
    }

    private func pair(
        _ first: String, _ thing: Thing, _ second: String, _ other: Thing
    ) -> Attacker.Pair {
        Attacker.Pair(
            first: "\(export)/\(first)", second: "\(export)/\(second)", things: (thing, other),
            staging: "\(outside)/staging")
    }

    /// Names that requests are about, below `/a` of the tree.
    ///
    /// None is `canary-name`: who sees that name has read a directory outside.
    static let targets = [
        "dir/file", "dir/sub/file", "dir/new", "dir", "dirlink/file", "dirlink/outer",
        "up/file", "up/sub/file", "uplink/file", "deep/er/dir/file", "deep/er/link/sub/file",
        "deep/er/dir/made/on/the/way", "file", "filelink", "plain", "fifo", "kind", "kinddir",
        "kind/file", "kinddir/file", "guest/file", "guest/new",
    ]

    /// What stands outside, in one text: names, kinds, modes, times and contents of canaries.
    func canaries() throws -> String {
        var lines: [String] = []
        for top in ["secret", "dir", "own", "trash"] {
            let path = Array("\(outside)/\(top)".utf8)
            lines.append(try line(path))
            guard top != "secret" else { continue }
            for entry in try FileSystem.entries(below: path) {
                lines.append(try line(path + [UInt8(ascii: "/")] + entry.path))
            }
        }
        return lines.joined(separator: "\n")
    }

    private func line(_ path: [UInt8]) throws -> String {
        let name = String(decoding: path, as: UTF8.self)
        var status = stat()
        guard lstat(name, &status) == 0 else { return "\(name) is gone" }
        let isFile = status.st_mode & S_IFMT == S_IFREG
        let isWhole = try isFile ? FileSystem.read(path) == canary : true
        return "\(name) mode \(status.st_mode) links \(status.st_nlink) size \(status.st_size) "
            + "owner \(status.st_uid) time \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec) "
            + (isWhole ? "whole" : "CHANGED")
    }
}
