import Testing

@testable import DFSShell

@Suite struct OptionsTests {
    private func options(_ arguments: String...) throws -> DfshOptions {
        try DfshOptions(arguments.map { [UInt8]($0.utf8) })
    }

    @Test func `without arguments commands come from standard input`() throws {
        #expect(try options().source == .standardInput)
    }

    @Test func `the first word that is no option starts the one command`() throws {
        let options = try options("-n", "h:1", "ls", "-l", "a b", "-c")

        #expect(options.source == .words(["ls", "-l", "a b", "-c"].map { [UInt8]($0.utf8) }))
        #expect(options.nameServers == [UInt8]("h:1".utf8))
    }

    @Test(arguments: [["-cls"], ["-c", "ls"], ["--commands=ls"], ["--commands", "ls"]])
    func `a value may be glued to its option or stand behind it`(arguments: [String]) throws {
        let options = try DfshOptions(arguments.map { [UInt8]($0.utf8) })

        #expect(options.source == .line([UInt8]("ls".utf8)))
    }

    @Test func `a trace goes to a file only where one is named with it`() throws {
        let plain = try options("--trace", "ls")
        #expect(plain.trace == .standardError)
        #expect(plain.source == .words([[UInt8]("ls".utf8)]))
        #expect(try options("--trace=x").trace == .file([UInt8]("x".utf8)))
    }

    @Test func `flags are off unless given`() throws {
        let none = try options()
        #expect(!none.echoes && !none.keepsGoing && none.trace == .none)
        let all = try options("--echo", "--keep-going")
        #expect(all.echoes && all.keepsGoing)
    }

    @Test(arguments: [
        ["-x"], ["--nope"], ["-n"], ["-c"], ["-c", "ls", "ls"], ["-c", "ls", "-f", "x"],
        ["--echo=yes"], ["--deadline", "0"], ["--deadline", "x"],
    ])
    func `what dfsh does not take is usage`(arguments: [String]) {
        #expect(throws: ShellFailure.self) {
            try DfshOptions(arguments.map { [UInt8]($0.utf8) })
        }
    }
}
