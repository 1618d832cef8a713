import Glibc
import Synchronization

/// Ends every process and removes every file of this test run when the test process is gone.
///
/// A shell waits at the other end of a pipe that only this process holds: a crash, a `kill -9` and
/// a usual end all close it. Tests that end as they should have nothing left for it to do.
final class Leash: Sendable {
    /// The one of this process; nil where it could not be made, which `shared()` reports.
    private static let one = Result { try Leash() }

    static func shared() throws -> Leash { try one.get() }

    /// Everything that tests of this process put on the disk is below this folder.
    let folder: String
    private let descriptor: Int32
    private let turn = Mutex(())

    private static let script = """
        trap '' INT TERM HUP QUIT
        pids=' '
        while read -r what pid; do
            case $what in
            started) pids="$pids$pid " ;;
            ended) pids="${pids%% $pid *} ${pids#* $pid }" ;;
            esac
        done
        for pid in $pids; do kill -9 -- "-$pid" 2>/dev/null; done
        rm -rf -- "$1"
        """

    private init() throws {
        let temporary = Leash.variable("TMPDIR") ?? "/tmp"
        folder = try FileSystem.makeUniqueFolder("\(temporary)/dfs-test-\(getpid())-")
        let ends = try LocalPipe()
        descriptor = ends.near
        defer { close(ends.far) }
        _ = try Leash.spawn(
            "/bin/sh", ["-c", Leash.script, "leash", folder],
            environment: ["PATH=/usr/bin:/bin"], input: ends.far, output: nil, errors: nil)
    }

    /// Kills a process group and removes nothing else if this process dies from here on.
    func started(_ pid: pid_t) { tell("started \(pid)\n") }

    /// The process has been waited for: its number may soon be another's.
    func ended(_ pid: pid_t) { tell("ended \(pid)\n") }

    private func tell(_ line: String) {
        let bytes = [UInt8](line.utf8)
        // A line is shorter than PIPE_BUF and so whole; without the shell there is nobody to tell.
        turn.withLock { _ in _ = write(descriptor, bytes, bytes.count) }
    }

    /// One variable of this process's environment.
    static func variable(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }
}

extension Leash {
    /// Starts a program in a process group of its own, with no descriptor but the three standard
    /// ones.
    ///
    /// - Parameters:
    ///   - input: Becomes standard input; nil is `/dev/null`, and so with the other two.
    ///   - folder: Where it works; nil where this process does.
    static func spawn(
        _ path: String, _ arguments: [String], environment: [String], input: Int32?,
        output: Int32?, errors: Int32?, folder: String? = nil
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, source) in [(Int32(0), input), (1, output), (2, errors)] {
            if let source {
                posix_spawn_file_actions_adddup2(&actions, source, target)
            } else {
                posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_RDWR, 0)
            }
        }
        // SwiftNIO's sockets are not closed by exec: a server of another test would listen on.
        _ = Leash.addCloseFrom?(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var usual = sigset_t()
        sigfillset(&usual)
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var pid: pid_t = 0
        // `env -C` changes the folder and becomes the program; posix_spawn can do so only with
        // _GNU_SOURCE.
        let program = folder == nil ? path : "/usr/bin/env"
        let mover = folder.map { ["env", "-C", $0] } ?? []
        let code = withCStrings(mover + [path] + arguments) { argv in
            withCStrings(environment) { envp in
                posix_spawn(&pid, program, &actions, &attributes, argv, envp)
            }
        }
        guard code == 0 else {
            throw TestFailure("could not start \(path): \(systemMessage(code))")
        }
        return pid
    }

    private typealias AddCloseFrom =
        @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32

    /// `posix_spawn_file_actions_addclosefrom_np`, which Swift sees only with _GNU_SOURCE.
    private static let addCloseFrom: AddCloseFrom? = {
        let name = "posix_spawn_file_actions_addclosefrom_np"
        return dlsym(nil, name).map { unsafeBitCast($0, to: AddCloseFrom.self) }
    }()

    private static func withCStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return body(copies + [nil])
    }
}
