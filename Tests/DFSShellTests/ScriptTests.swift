import DFSClient
import Glibc
import Synchronization
import Testing

@testable import DFSShell

/// Scripts of commands that need no server.
@Suite struct ScriptTests {
    /// What a shell printed, in the order in which it did.
    private final class Screen: Sendable {
        let bytes = Mutex<[UInt8]>([])

        func take(_ more: [UInt8]) -> Bool {
            bytes.withLock { $0 += more }
            return true
        }

        var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
    }

    /// Where results go that nobody can take.
    private func run(_ text: String, losing number: Int32) async throws -> ExitCode {
        let session = ShellSession(
            client: DFSClient(nameServers: [Endpoint(host: "127.0.0.1", port: 1)]),
            output: ShellOutput(
                results: { _ in
                    errno = number
                    return false
                }, complaints: { _ in true }))
        let ends = try pipe(holding: text)
        let code = await Script(session: session, keepsGoing: true).run(descriptor: ends)
        Glibc.close(ends)
        await session.close()
        return code
    }

    @Test(arguments: ["-echo one\necho two\n", "-echo one; echo two\n"])
    func `results that are lost are let pass by no dash`(script: String) async throws {
        #expect(try await run(script, losing: ENOSPC) == .failed)
        // Who reads no further has what he wanted.
        #expect(try await run(script, losing: EPIPE) == .ok)
    }

    private func run(
        _ text: String, echoes: Bool = false, keepsGoing: Bool = false
    ) async throws -> (screen: String, code: ExitCode) {
        let screen = Screen()
        let session = ShellSession(
            client: DFSClient(nameServers: [Endpoint(host: "127.0.0.1", port: 1)]),
            output: ShellOutput(results: screen.take, complaints: screen.take))
        let ends = try pipe(holding: text)
        let script = Script(session: session, echoes: echoes, keepsGoing: keepsGoing)
        let code = await script.run(descriptor: ends)
        Glibc.close(ends)
        await session.close()
        return (screen.text, code)
    }

    private func pipe(holding text: String) throws -> Int32 {
        var ends: [Int32] = [0, 0]
        try #require(Glibc.pipe(&ends) == 0)
        try #require(writeAll([UInt8](text.utf8), to: ends[1]))
        Glibc.close(ends[1])
        return ends[0]
    }

    @Test func `a script ends at the first error with its code`() async throws {
        let (screen, code) = try await run("echo one\nnonsense\necho two\n")

        #expect(screen == "one\ndfsh: nonsense is no command; help lists them\n")
        #expect(code == .usage)
    }

    @Test func `a dash lets a failure pass`() async throws {
        let (screen, code) = try await run("-nonsense\necho two")

        #expect(screen == "dfsh: nonsense is no command; help lists them\ntwo\n")
        #expect(code == .ok)
    }

    @Test func `with keep-going everything runs and the first failure is the code`() async throws {
        let (screen, code) = try await run(
            "close h1\nnonsense; echo same line\necho two\n", keepsGoing: true)

        #expect(screen.hasSuffix("help lists them\nsame line\ntwo\n"))
        #expect(code == .notFound)
    }

    @Test func `commands are echoed as they were written, but for those with an at sign`()
        async throws
    {
        let (screen, _) = try await run(
            "# comment\n\necho  'a  b' # why\n@echo silent\n-echo c; echo d\n", echoes: true)

        #expect(
            screen == """
                dfsh> echo  'a  b' # why
                a  b
                silent
                dfsh> -echo c; echo d
                c
                d

                """)
    }

    @Test func `an echo shows no control byte of the script`() async throws {
        let (screen, _) = try await run("echo \u{1B}[31m\u{7}\u{202E}\n", echoes: true)

        #expect(screen.split(separator: "\n").allSatisfy { isHarmless(String($0)) })
        #expect(screen.contains("\\x1b[31m\\x07"))
    }

    @Test func `what was typed with a backslash comes back with one`() async throws {
        let (screen, _) = try await run("echo 'a\\b' \"c\\\\d\"\n")

        #expect(screen == "a\\b c\\d\n")
    }

    @Test func `the sessions that are held are listed, and what is none is told`() async throws {
        let (screen, code) = try await run("session\n-session frob\nread h1 0 1\n")

        #expect(screen.hasPrefix("This shell holds no session.\n\nSessions by hand\n"))
        #expect(screen.contains("dfsh: session frob is no command; \"session\" lists them\n"))
        #expect(screen.hasSuffix("dfsh: h1: no session of this shell; \"session\" lists them\n"))
        #expect(code == .notFound)
    }

    @Test(arguments: [
        ("session open --lease 0 /a", "--lease takes milliseconds from 1 on"),
        ("session open --lease -5 /a", "-5 is not a number from 0 to 9223372036854775807"),
        ("session open --wait 5 /a", "--wait is the time in line for a lock, and needs --lock"),
    ])
    func `an option that makes no sense is refused before anything is asked`(
        line: String, reason: String
    ) async throws {
        let (screen, code) = try await run(line + "\n")

        #expect(screen.contains(reason), "\(screen)")
        #expect(code == .usage)
    }

    @Test func `quit ends a script in good order`() async throws {
        let (screen, code) = try await run("echo one; quit; echo two\necho three\n")

        #expect(screen == "one\n")
        #expect(code == .ok)
    }

    @Test func `a line without an end is bounded`() async throws {
        var reader = LineReader(descriptor: Glibc.open("/dev/zero", O_RDONLY))

        let line = await reader.next()

        #expect(line == nil)
        #expect(reader.wasTooLong)
    }

    @Test func `a script that can not be read is no success`() async throws {
        let screen = Screen()
        let session = ShellSession(
            client: DFSClient(nameServers: [Endpoint(host: "127.0.0.1", port: 1)]),
            output: ShellOutput(results: screen.take, complaints: screen.take))
        let folder = Glibc.open("/", O_RDONLY)

        let code = await Script(session: session).run(descriptor: folder)
        await session.close()
        Glibc.close(folder)

        #expect(screen.text == "dfsh: the script can not be read: Is a directory\n")
        #expect(code == .failed)
    }

    @Test func `relative paths are resolved here, and can not climb over the top`() async throws {
        let (screen, code) = try await run("pwd\ncd\npwd\n")

        #expect(screen == "/\n/\n")
        #expect(code == .ok)
    }

    @Test func `without a name server the sentence says what to check`() async throws {
        let (screen, code) = try await run("ls /\n")

        #expect(code == .unreachable)
        #expect(screen.hasPrefix("dfsh: /: no name server can be reached: 127.0.0.1:1 does not"))
        #expect(screen.contains("DFSH_NAMESERVER"))
    }
}
