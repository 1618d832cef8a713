import DFSProtocol
import Glibc
import Synchronization
import TestCluster
import Testing

@testable import ServerCommand

/// One run of a real server.
private final class Run {
    let scratch: ScratchFolder
    let process: ChildProcess

    init(
        _ arguments: [String], of server: Executable = .nameServer, in scratch: ScratchFolder,
        environment: [String] = []
    ) throws {
        self.scratch = scratch
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        let output = open(scratch.file("out"), flags, 0o600)
        let errors = open(scratch.file("err"), flags, 0o600)
        defer {
            close(output)
            close(errors)
        }
        process = try ChildProcess(
            server.path, arguments, environment: environment, output: output, errors: errors)
    }

    func end() throws -> (ending: ChildProcess.Ending, output: String, errors: String) {
        let ending = try process.wait()
        return (ending, try scratch.text("out"), try scratch.text("err"))
    }
}

@Suite struct `A server's launch` {
    let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    @Test(arguments: [
        ["--lisen", "127.0.0.1:0"], ["--listen", "7400"], ["--beat", "x"], ["--id", "a b"],
        ["--beat", "2500"], ["--suspect", "3500"], ["--beat", "9"], ["--beat", "-1"],
        ["--catalogue", "postgres://db"], ["extra"], ["--config", "/nonexistent"],
    ])
    func `ends with 2 and words on standard error for options that make no sense`(
        arguments: [String]
    ) throws {
        let run = try Run(arguments + ["--state", scratch.file("state")], in: scratch)

        let end = try run.end()

        #expect(end.ending == .exit(2))
        #expect(end.output == "")
        #expect(!end.errors.isEmpty)
    }

    @Test(arguments: ["--help", "--version"])
    func `ends with 0 and words on standard output where it is only asked`(
        option: String
    ) throws {
        let end = try Run([option], in: scratch).end()

        #expect(end.ending == .exit(0))
        #expect(option == "--help" || end.output == "\(productVersion)\n")
        #expect(end.output.contains("--catalogue") == (option == "--help"))
        #expect(end.errors == "")
    }

    @Test(arguments: ["0.0.0.0:0", "192.0.2.1:0", "[::]:0", "example.org:0"])
    func `ends with 1 where strangers could come`(address: String) throws {
        let run = try Run(
            ["--listen", address, "--state", scratch.file("state")], in: scratch)

        let end = try run.end()

        #expect(end.ending == .exit(1))
        #expect(end.errors.hasPrefix("dfs-nameserver: "))
        #expect(end.errors.contains("loopback") || end.errors.contains("strangers"))
        #expect(end.errors.filter { $0 == "\n" }.count == 1)
    }

    @Test func `ends with 1 and one sentence where the state directory is in use`() throws {
        let held = try StateDirectory(at: scratch.file("state"))

        let end = try Run(
            ["--listen", "127.0.0.1:0", "--state", scratch.file("state")], in: scratch
        ).end()

        #expect(end.ending == .exit(1))
        #expect(end.errors.contains("in use by another process"))
        #expect(end.errors.filter { $0 == "\n" }.count == 1)
        try held.release()
    }

    @Test func `ends with 1 and one sentence where the catalogue is no catalogue`() throws {
        try FileSystem.write(
            String(repeating: "no catalogue\n", count: 100),
            to: scratch.file("state/catalogue.sqlite"))

        let end = try Run(
            ["--listen", "127.0.0.1:0", "--state", scratch.file("state")], in: scratch
        ).end()

        #expect(end.ending == .exit(1))
        #expect(end.errors.contains("it is not a database"))
    }

    @Test func `ends with 1 and one sentence where the address is in use`() throws {
        let pipe = try Pipe()
        let first = try ChildProcess(
            Executable.nameServer.path,
            ["--listen", "127.0.0.1:0", "--state", scratch.file("first")], output: pipe.writing)
        let address = String(try #require(try pipe.line().split(separator: "=").last))

        let end = try Run(
            ["--listen", address, "--state", scratch.file("second")], in: scratch
        ).end()

        #expect(first.ending == nil)
        #expect(end.ending == .exit(1))
        #expect(end.output == "")
        #expect(end.errors.contains("dfs-nameserver: can not listen on \(address)"))
    }

    @Test(arguments: [
        (["ex/a:home"], "there is no folder ex/a:home; a mount begins with '/': ex/a:/home"),
        (["ex:/a", "ex:/b"], "the folder ex is exported twice"),
        (["ex:/a", "x:/a"], "two exports are mounted at /a"),
    ])
    func `ends with 2 and a sentence for exports that make no sense`(
        exports: [String], sentence: String
    ) throws {
        let arguments = exports.flatMap { ["--export", $0] }
        let end = try Run(["--standalone"] + arguments, of: .fileServer, in: scratch).end()

        #expect(end.ending == .exit(2))
        #expect(end.errors.contains(sentence))
    }

    @Test(arguments: ["folder", "folder/below/it", "link/below"])
    func `ends with 1 where clients could change the state`(state: String) throws {
        try FileSystem.write("x", to: scratch.file("folder/file"))
        #expect(symlink("folder", scratch.file("link")) == 0)

        let end = try Run(
            [
                "--standalone", "--export", scratch.file("folder"), "--state", scratch.file(state),
                "--listen", "127.0.0.1:0",
            ], of: .fileServer, in: scratch
        ).end()

        #expect(end.ending == .exit(1))
        #expect(end.output == "")
        #expect(
            end.errors.hasPrefix(
                "dfs-fileserver: the state directory lies inside the export \(scratch.path)/folder, "
            ))
    }

    @Test func `ends with 1 and a sentence though nobody reads it`() throws {
        let full = try Pipe()
        #expect(fcntl(full.writing, F_SETFL, O_NONBLOCK) == 0)
        let block = [UInt8](repeating: 0x2E, count: 4096)
        while write(full.writing, block, block.count) > 0 {}
        #expect(fcntl(full.writing, F_SETFL, 0) == 0)

        let process = try ChildProcess(
            Executable.nameServer.path, ["--listen", "192.0.2.1:0"], errors: full.writing)

        #expect(try process.wait() == .exit(1))
    }

    /// It serves without a name server, and finds later that another has its name.
    @Test func `ends with 1 and says why where it may not go on`() throws {
        let flag = Flag()
        let names = try ScriptedPeer(
            greeting: "OK DFS/1 role=name id=ns1 epoch=1 max-line=65536 max-data=1048576\n"
        ) { line in
            let words = line.split(separator: " ")
            guard flag.isSet.load(ordering: .acquiring), words.count > 1 else { return "" }
            return words[1] == "HELLO"
                ? "\(words[0]) OK version=1 caps=push\n"
                : "\(words[0]) ERR stale-epoch server=fs1 epoch=7 \"another has this id\"\n"
        }
        try FileSystem.makeFolders(scratch.file("folder"))
        let pipe = try Pipe()
        let errors = open(scratch.file("err"), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(errors) }
        let process = try ChildProcess(
            Executable.fileServer.path,
            [
                "--id", "fs1", "--export", scratch.file("folder"), "--listen", "127.0.0.1:0",
                "--state", scratch.file("state"), "--name-server", "\(names.endpoint)",
            ], output: pipe.writing, errors: errors)
        pipe.closeWriting()

        let ready = try pipe.line()
        flag.isSet.store(true, ordering: .releasing)
        let ending = try process.wait()

        #expect(ready.hasPrefix("ready role=file id=fs1 "))
        #expect(ending == .exit(1))
        let last = try scratch.text("err").split(separator: "\n").last
        #expect(last?.hasPrefix("dfs-fileserver: the name server at ") == true)
        #expect(last?.contains("another has this id") == true)
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
    func `says that it is ready, serves, and ends with 0 on a signal`(signal: Int32) throws {
        let pipe = try Pipe()
        let process = try ChildProcess(
            Executable.nameServer.path, ["--listen", "127.0.0.1:0", "--id", "ns7"],
            environment: ["STATE_DIRECTORY=\(scratch.file("state"))"], output: pipe.writing)
        pipe.closeWriting()
        let ready = try pipe.line()
        let prefix = "ready role=name id=ns7 addr="
        try #require(ready.hasPrefix(prefix))

        let connection = try WireConnection(to: Endpoint(String(ready.dropFirst(prefix.count))))
        _ = connection
        process.signal(signal)

        #expect(try process.wait() == .exit(0))
        #expect(FileSystem.exists(Array(scratch.file("state/catalogue.sqlite").utf8)))
    }
}

extension `A server's launch` {
    @Test func `is not ended by a closed terminal where it was started by nohup`() throws {
        let pipe = try Pipe()
        let process = try ChildProcess(
            "/bin/sh",
            [
                "-c", "trap '' HUP; exec \"$0\" --listen 127.0.0.1:0 --state \"$1\"",
                Executable.nameServer.path, scratch.file("state"),
            ], output: pipe.writing)
        pipe.closeWriting()
        let ready = try pipe.line()

        process.signal(SIGHUP)
        let address = try #require(ready.split(separator: "=").last)
        let connection = try WireConnection(to: Endpoint(String(address)))
        _ = try connection.readLine()
        let answer = try connection.request("PING").last
        process.signal(SIGTERM)

        #expect(answer?.text == "OK")
        #expect(try process.wait() == .exit(0))
    }
}

extension `A server's launch` {
    @Test(arguments: [[SIGHUP, SIGTERM], [SIGTERM, SIGHUP], [SIGHUP, SIGHUP]])
    func `is ended as planned by a closed terminal and what its shell sends then`(
        signals: [Int32]
    ) throws {
        let pipe = try Pipe()
        let process = try ChildProcess(
            Executable.nameServer.path,
            ["--listen", "127.0.0.1:0", "--state", scratch.file("state")], output: pipe.writing)
        pipe.closeWriting()
        _ = try pipe.line()

        // Both wait for the process, however busy the machine is.
        process.signal(SIGSTOP)
        for signal in signals { process.signal(signal) }
        process.signal(SIGCONT)

        #expect(try process.wait() == .exit(0))
    }
}

/// What a test says to a thread of another.
private final class Flag: Sendable {
    let isSet = Atomic(false)
}

/// A pipe from a child, read line by line.
private final class Pipe {
    let reading: Int32
    private(set) var writing: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        let isMade = pipe(&ends) == 0
        (reading, writing) = (ends[0], ends[1])
        guard isMade, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else {
            throw TestFailure("a pipe can not be made")
        }
    }

    deinit {
        closeWriting()
        close(reading)
    }

    func closeWriting() {
        if writing >= 0 { close(writing) }
        writing = -1
    }

    /// The next line without its end; what is there where the child ends first.
    func line() throws -> String {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while read(reading, &byte, 1) == 1, byte != UInt8(ascii: "\n") { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
