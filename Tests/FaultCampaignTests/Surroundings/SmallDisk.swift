import Glibc
import TestCluster

/// A small file system of one test, mounted on a folder and unmounted at the end.
final class SmallDisk: Sendable {
    /// What file systems are made of.
    enum Kind: String, Sendable, CaseIterable {
        /// Memory.
        case tmpfs
        /// A file that a loop device shows as a disk.
        case ext4
    }

    /// Where it is mounted.
    let path: String
    /// The file that holds it; for ext4.
    let image: String

    /// Makes and mounts one of some mebibytes in a folder of its own.
    ///
    /// - Parameter options: For `mkfs.ext4` and for `mount`.
    init(
        _ kind: Kind, mebibytes: Int, in folder: String, making: [String] = [],
        mounting: [String] = []
    ) throws {
        let own = try FileSystem.makeUniqueFolder("\(folder)/disk-")
        path = "\(own)/mounted"
        image = "\(own)/image"
        try FileSystem.makeFolders(path)
        switch kind {
        case .tmpfs:
            try SmallDisk.run(
                "mount", ["-t", "tmpfs", "-o", "size=\(mebibytes)m", "none", path])
        case .ext4:
            try FileSystem.write([], to: Array(image.utf8))
            guard truncate(image, mebibytes << 20) == 0 else {
                throw TestFailure("no image: errno \(errno)")
            }
            try SmallDisk.run("mkfs.ext4", ["-q", "-F", "-m", "0"] + making + [image])
            try SmallDisk.run(
                "mount", ["-o", (["loop"] + mounting).joined(separator: ","), image, path])
        }
        try FileSystem.makeFolders("\(path)/export")
    }

    deinit {
        // A disk that stays mounted is unmounted when its last file is closed.
        try? SmallDisk.run("umount", ["-l", path])
    }

    /// The folder on it that a server exports.
    var export: [UInt8] { [UInt8]("\(path)/export".utf8) }

    /// Runs a program of the system's.
    ///
    /// - Throws: `TestFailure` with what it said, where it did not end well.
    static func run(_ name: String, _ arguments: [String]) throws {
        let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        guard let folder = folders.first(where: { access("\($0)/\(name)", X_OK) == 0 }) else {
            throw TestFailure("\(name) is not installed")
        }
        let scratch = try FileSystem.makeUniqueFolder("/tmp/dfs-run-")
        // What stays is empty and in /tmp.
        defer { try? FileSystem.remove(scratch) }
        let run = try ShellRun(
            "\(folder)/\(name)", arguments, mergesErrors: true, scratch: scratch)
        guard run.exitCode == 0 else {
            throw TestFailure("\(name) \(arguments.joined(separator: " ")): \(run.output)")
        }
    }
}

/// What this machine lets a test do; a test that can not run here says why.
enum Machine {
    /// Whether file systems can be mounted.
    static let canMount = attempt { folder in
        _ = try SmallDisk(.tmpfs, mebibytes: 1, in: folder)
    }

    /// Whether a file can be mounted as a disk.
    static let canMountLoops = attempt { folder in
        _ = try SmallDisk(.ext4, mebibytes: 4, in: folder)
    }

    /// Whether a process can be traced by one that is not its parent.
    static let canTrace = attempt { folder in
        let sleeper = try ChildProcess("/bin/sleep", ["60"])
        let tracer = try Tracer(
            sleeper.pid, ["trace=fsync", "inject=fsync:error=EIO"], scratch: folder)
        try tracer.stop()
    }

    private static func attempt(_ body: (String) throws -> Void) -> Bool {
        do {
            let folder = try FileSystem.makeUniqueFolder("/tmp/dfs-machine-")
            // What stays is empty and in /tmp.
            defer { try? FileSystem.remove(folder) }
            try body(folder)
            return true
        } catch {
            return false
        }
    }
}

/// strace on a running server: some of its system calls fail as long as it is there.
final class Tracer {
    private let process: ChildProcess

    /// Attaches, and returns when every thread is traced.
    ///
    /// - Parameters:
    ///   - expressions: For `-e`.
    ///   - file: Only calls on this file; nil for all.
    init(_ pid: pid_t, _ expressions: [String], on file: String? = nil, scratch: String) throws {
        let log = "\(scratch)/strace-\(pid)"
        let descriptor = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw TestFailure("no log for strace: errno \(errno)") }
        defer { close(descriptor) }
        let which = expressions.flatMap { ["-e", $0] } + (file.map { ["-P", $0] } ?? [])
        process = try ChildProcess(
            "/usr/bin/strace", ["-f", "-p", "\(pid)", "-o", "/dev/null"] + which,
            errors: descriptor)
        let process = process
        try Deadline().await("strace has attached: \(FileSystem.tail(log))") {
            if process.ending != nil { throw TestFailure("strace: \(FileSystem.tail(log))") }
            return FileSystem.tail(log).contains("attached") ? true : nil
        }
    }

    /// Detaches: from then on calls do what they should.
    func stop() throws {
        process.signal(SIGINT)
        _ = try process.wait()
    }
}
