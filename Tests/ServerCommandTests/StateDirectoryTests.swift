import DFSProtocol
import Glibc
import TestCluster
import Testing

@testable import ServerCommand

@Suite struct `A state directory` {
    let scratch: ScratchFolder
    let id: ServerID

    init() throws {
        scratch = try ScratchFolder()
        id = try #require(ServerID("fs1"))
    }

    /// What the documents say, in their order: option, service manager, XDG, home.
    @Test(
        arguments: [
            ("/opt/state", ["STATE_DIRECTORY": "/s", "XDG_STATE_HOME": "/x"], "/opt/state"),
            (nil, ["STATE_DIRECTORY": "/s", "XDG_STATE_HOME": "/x", "HOME": "/h"], "/s"),
            (nil, ["STATE_DIRECTORY": "/s:/t", "HOME": "/h"], "/s"),
            (nil, ["XDG_STATE_HOME": "/x", "HOME": "/h"], "/x/dfs/fs1"),
            (nil, ["XDG_STATE_HOME": "relative", "HOME": "/h"], "/h/.local/state/dfs/fs1"),
            (nil, ["HOME": "/h"], "/h/.local/state/dfs/fs1"),
        ] as [(String?, [String: String], String)])
    func `is where the first of four says`(
        option: String?, environment: [String: String], expected: String
    ) throws {
        let path = try StateDirectory.path(option: option, id: id) { environment[$0] }

        #expect(path == expected)
    }

    @Test(arguments: [[:], ["HOME": "relative"]] as [[String: String]])
    func `is asked for where nothing says it`(environment: [String: String]) {
        let error = #expect(throws: StartError.self) {
            try StateDirectory.path(option: nil, id: id) { environment[$0] }
        }

        #expect(error?.description.contains("--state") == true)
    }

    @Test func `is made for this user alone, with the directories above it`() throws {
        _ = try StateDirectory(at: scratch.file("a/b/state"))

        var status = stat()
        for name in ["a", "a/b", "a/b/state"] {
            #expect(stat(scratch.file(name), &status) == 0)
            #expect(status.st_mode & 0o777 == 0o700)
        }
    }

    @Test func `is held by one at a time`() throws {
        let path = scratch.file("state")
        let first = try StateDirectory(at: path)

        let error = #expect(throws: StartError.self) { _ = try StateDirectory(at: path) }

        #expect(error?.description.contains("in use by another process") == true)
        try first.release()
        #expect(throws: Never.self) { _ = try StateDirectory(at: path) }
    }

    @Test func `is refused where a file stands`() throws {
        try FileSystem.write("x", to: scratch.file("state"))

        let error = #expect(throws: StartError.self) {
            _ = try StateDirectory(at: scratch.file("state"))
        }

        #expect(error?.description.contains("is not a directory") == true)
    }

    @Test func `is shown quoted where it is refused`() throws {
        try FileSystem.write("x", to: scratch.file("a\u{1b}[2J"))

        let error = #expect(throws: StartError.self) {
            _ = try StateDirectory(at: scratch.file("a\u{1b}[2J"))
        }

        #expect(error?.description.contains("a\\x1b[2J") == true)
        #expect(error?.description.contains("\u{1b}") == false)
    }

    @Test func `counts the starts from 1, over every restart`() throws {
        let path = scratch.file("state")
        for expected in 1...3 as ClosedRange<Int64> {
            let state = try StateDirectory(at: path)
            #expect(try state.raiseEpoch() == expected)
            try state.release()
        }

        #expect(try scratch.text("state/epoch") == "3\n")
    }

    @Test func `does not mind what a killed start left half written`() throws {
        let state = try StateDirectory(at: scratch.file("state"))
        _ = try state.raiseEpoch()
        try FileSystem.write("", to: scratch.file("state/epoch.new"))

        #expect(try state.raiseEpoch() == 2)
    }

    @Test(arguments: ["", "\n", "x\n", "4", "-1\n", "04\n", "4\n4\n", "9223372036854775807\n"])
    func `refuses a number of starts that makes no sense`(contents: String) throws {
        let state = try StateDirectory(at: scratch.file("state"))
        try FileSystem.write(contents, to: scratch.file("state/epoch"))

        let error = #expect(throws: StartError.self) { try state.raiseEpoch() }

        #expect(error?.description.contains("damaged") == true)
        #expect(try scratch.text("state/epoch") == contents)
    }
}
