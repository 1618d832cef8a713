import ArgumentParser
import DFSProtocol
import TestCluster
import Testing

@testable import ServerCommand

/// Options of every kind that the servers have.
private struct Sample: ParsableCommand {
    @Option var listen = "127.0.0.1:7400"
    @Option var beat = 1000
    @Option var export: [String] = []
    @Flag var standalone = false
    @OptionGroup var shared: SharedOptions

    static func reading(_ arguments: [String]) throws -> Sample {
        try Sample.parse(SettingsFile.merge(into: arguments, for: Sample.self))
    }
}

@Suite struct `A configuration file` {
    let scratch: ScratchFolder
    let path: String

    init() throws {
        scratch = try ScratchFolder()
        path = scratch.file("dfs.toml")
    }

    private func refusal(of text: String) throws -> String {
        try FileSystem.write(text, to: path)
        let error = #expect(throws: StartError.self) {
            try SettingsFile.merge(into: ["--config", path], for: Sample.self)
        }
        return error?.description ?? ""
    }

    @Test func `sets options of every kind`() throws {
        try FileSystem.write(
            """
            # A comment.
            listen = "127.0.0.1:0"
            beat = 50
            standalone = true
            export = ["/srv/a:/a", "-strange", "/srv/b"]
            """, to: path)

        let sample = try Sample.reading(["--config", path])

        #expect(sample.listen == "127.0.0.1:0")
        #expect(sample.beat == 50)
        #expect(sample.standalone)
        #expect(sample.export == ["/srv/a:/a", "-strange", "/srv/b"])
    }

    @Test(arguments: [["--beat", "7", "--export", "/c"], ["--beat=7", "--export=/c"]])
    func `yields to the command line, also as a list`(arguments: [String]) throws {
        try FileSystem.write("beat = 50\nexport = [\"/a\", \"/b\"]\nlisten = \"x\"", to: path)

        let sample = try Sample.reading(arguments + ["--config=\(path)"])

        #expect(sample.beat == 7)
        #expect(sample.export == ["/c"])
        #expect(sample.listen == "x")
    }

    @Test func `leaves an option alone that it sets to false`() throws {
        try FileSystem.write("standalone = false", to: path)

        #expect(try Sample.reading(["--config", path]).standalone == false)
    }

    @Test func `changes nothing where none is named`() throws {
        let arguments = ["--beat", "7"]

        #expect(try SettingsFile.merge(into: arguments, for: Sample.self) == arguments)
    }

    @Test(arguments: ["bet = 1", "config = \"/x\"", "help = true", "version = true", "\"a b\" = 1"])
    func `is refused with a setting that no option has`(text: String) throws {
        #expect(try refusal(of: text).contains("is no setting"))
    }

    @Test(arguments: ["[beat]\nx = 1", "beat = 1.5", "export = [1]", "beat = 2026-11-22"])
    func `is refused with a value that no option takes`(text: String) throws {
        #expect(try refusal(of: text).contains("is not a string"))
    }

    @Test func `is refused with the line where it is no TOML`() throws {
        #expect(try refusal(of: "beat = 1\nlisten = \n").contains("no TOML"))
        #expect(try refusal(of: "beat = 1\nlisten = \n").contains("line 2"))
        #expect(try refusal(of: "beat = 1\u{0}").contains("not UTF-8 text"))
    }

    @Test func `is refused where it is not there, or endless`() throws {
        let missing = #expect(throws: StartError.self) {
            try SettingsFile.merge(into: ["--config", scratch.file("none")], for: Sample.self)
        }
        #expect(missing?.description.contains("does not exist") == true)
        let endless = #expect(throws: StartError.self) {
            try SettingsFile.merge(into: ["--config", "/dev/zero"], for: Sample.self)
        }
        #expect(endless?.description.contains("over 65536 bytes") == true)
    }
}
