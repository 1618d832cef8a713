import Glibc

/// What one run of a program gave, after its end.
public struct ShellRun: Sendable {
    /// Standard output, as bytes.
    public let outputBytes: [UInt8]
    /// Standard error, as bytes.
    public let errorBytes: [UInt8]
    /// The exit code, or 128 and the signal's number, as a shell has it.
    public let exitCode: Int32

    /// Standard output as text.
    public var output: String { String(decoding: outputBytes, as: UTF8.self) }
    /// Standard error as text.
    public var errors: String { String(decoding: errorBytes, as: UTF8.self) }

    /// Runs a program until its end.
    ///
    /// - Parameters:
    ///   - input: Standard input, which is a file: no terminal, and as long as it likes.
    ///   - mergesErrors: Whether standard error goes where standard output goes, in the order
    ///     written.
    ///   - scratch: A folder for the three files of this run.
    public init(
        _ path: String, _ arguments: [String], input: [UInt8] = [], environment: [String] = [],
        mergesErrors: Bool = false, folder: String? = nil, scratch: String,
        within duration: Duration = .seconds(120)
    ) throws {
        let own = try FileSystem.makeUniqueFolder("\(scratch)/run-")
        // What stays behind goes with the folder of the whole run.
        defer { try? FileSystem.remove(own) }
        try FileSystem.write(input, to: [UInt8]("\(own)/in".utf8))
        let files = [
            open("\(own)/in", O_RDONLY | O_CLOEXEC),
            open("\(own)/out", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600),
            open("\(own)/err", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600),
        ]
        defer { files.forEach { close($0) } }
        guard files.allSatisfy({ $0 >= 0 }) else {
            throw TestFailure("no files for a run: \(systemMessage())")
        }
        let process = try ChildProcess(
            path, arguments, environment: environment, input: files[0], output: files[1],
            errors: mergesErrors ? files[1] : files[2], folder: folder)
        do {
            switch try process.wait(within: duration) {
            case .exit(let code): exitCode = code
            case .signal(let number): exitCode = 128 + number
            }
        } catch {
            process.killGroup()
            throw TestFailure(
                """
                \(path) \(arguments.joined(separator: " ")) did not end in \(duration).
                Its output ends: \(FileSystem.tail("\(own)/out"))
                Its errors end: \(FileSystem.tail("\(own)/err"))
                """)
        }
        outputBytes = try FileSystem.read("\(own)/out")
        errorBytes = try FileSystem.read("\(own)/err")
    }
}

extension Cluster {
    /// Variables for a program that works with this cluster: the name server, a home, a plain
    /// terminal.
    public var environment: [String] {
        get throws {
            let home = "\(folder)/home"
            try FileSystem.makeFolders(home)
            let names = try servers.filter { $0.executable == .nameServer }.map {
                try $0.endpoint.description
            }
            return [
                "HOME=\(home)", "XDG_STATE_HOME=\(home)/state", "XDG_CONFIG_HOME=\(home)/config",
                "LC_ALL=C.UTF-8", "TZ=UTC", "TERM=dumb", "NO_COLOR=1",
                "DFSH_NAMESERVER=\(names.joined(separator: ","))",
            ]
        }
    }

    /// Runs dfsh against the name server of this cluster.
    ///
    /// - Parameter input: Standard input, a script; where there are arguments it may be empty.
    public func shell(
        _ arguments: [String] = [], input: String = "", environment extra: [String] = [],
        mergesErrors: Bool = false, folder working: String? = nil,
        within duration: Duration = .seconds(120)
    ) throws -> ShellRun {
        try ShellRun(
            try Executable.shell.path, arguments, input: [UInt8](input.utf8),
            environment: try environment + extra, mergesErrors: mergesErrors,
            folder: working ?? folder, scratch: folder, within: duration)
    }
}
