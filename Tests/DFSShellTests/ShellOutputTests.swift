import Glibc
import Synchronization
import TestCluster
import Testing

@testable import DFSShell

/// Where output goes, and whom it holds up.
@Suite struct ShellOutputTests {
    /// A reader who stands still until it is let go; keeps what it was given.
    private final class Reader: Sendable {
        private struct State {
            var text = ""
            var isOpen = false
            var isGone = false
        }

        private let state = Mutex(State())
        private let ends: [Int32]

        init() throws {
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            self.ends = ends
        }

        deinit { for end in ends { close(end) } }

        /// Blocks its thread until `letGo`, as a pipe that is full does.
        func take(_ bytes: [UInt8]) -> Bool {
            if !state.withLock({ $0.isOpen }) {
                var watched = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
                while poll(&watched, 1, -1) < 0 {}
            }
            return state.withLock { state in
                if state.isGone { return false }
                state.text += String(decoding: bytes, as: UTF8.self)
                return true
            }
        }

        func letGo(isGone: Bool = false) {
            state.withLock { ($0.isOpen, $0.isGone) = (true, isGone) }
            _ = write(ends[1], "x", 1)
        }

        var text: String { state.withLock { $0.text } }
    }

    @Test func `results and complaints come in their order`() async throws {
        let reader = try Reader()
        reader.letGo()
        let output = ShellOutput(results: reader.take, complaints: reader.take)

        output.line("one")
        output.complain("two")
        output.line("three")
        _ = await output.settle()

        #expect(reader.text == "one\ndfsh: two\nthree\n")
    }

    // Each of these tasks would keep a thread of Swift's pool, which has one a processor: without a
    // thread of the output's own the last line of the test is never reached.
    @Test func `a reader who stands still holds up no other task`() async throws {
        let reader = try Reader()
        let output = ShellOutput(results: reader.take, complaints: reader.take)
        let count = 4 * Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))

        await withTaskGroup(of: Void.self) { group in
            for number in 0..<count { group.addTask { output.complain("\(number)") } }
            for _ in 0..<count {
                group.addTask {
                    output.line(String(repeating: "x", count: 70_000))
                    await output.awaitRoom()
                }
            }
            group.addTask { reader.letGo() }
        }
        _ = await output.settle()

        #expect(reader.text.split(separator: "\n").count == 2 * count)
    }

    @Test func `whoever makes much waits for the reader, and ends when it is gone`() async throws {
        let reader = try Reader()
        let output = ShellOutput(results: reader.take, complaints: reader.take)
        let making = Task {
            while true { try await output.content([UInt8](repeating: 0x61, count: 65_536)) }
        }
        // One is being written, and a megabyte waits behind it: then the maker waits too.
        while output.waitingBytes <= 1_048_576 { await Task.yield() }
        let waiting = output.waitingBytes
        reader.letGo(isGone: true)
        let result = await making.result

        #expect(throws: ShellFailure.told(.failed)) { try result.get() }
        #expect(waiting == 17 * 65_536)
        #expect(output.isBroken)
        #expect(await output.settle() == nil)
    }

    @Test func `a cancelled task waits for no reader`() async throws {
        let reader = try Reader()
        let output = ShellOutput(results: reader.take, complaints: reader.take)

        let task = Task {
            while true { try await output.content([UInt8](repeating: 0x61, count: 65_536)) }
        }
        task.cancel()
        let result = await task.result
        output.line("dropped")
        let settling = Task { await output.settle() }
        settling.cancel()
        _ = await settling.value

        #expect(throws: CancellationError.self) { try result.get() }
        reader.letGo()
        _ = await output.settle()
        #expect(!reader.text.contains("dropped"))
    }

    @Test func `a complaint starts a line where it stands behind one that has not ended`()
        async throws
    {
        for (isOneStream, text) in [(true, "half\ndfsh: told\n"), (false, "halfdfsh: told\n")] {
            let reader = try Reader()
            reader.letGo()
            let output = ShellOutput(
                results: reader.take, complaints: reader.take, isOneStream: isOneStream)

            try await output.content([UInt8]("half".utf8))
            output.complain("told")
            _ = await output.settle()

            #expect(reader.text == text)
        }
    }

    @Test func `a complaint takes the place of a line of progress`() async throws {
        let reader = try Reader()
        reader.letGo()
        let output = ShellOutput(results: reader.take, complaints: reader.take)

        output.progress("got 1 file")
        output.complain("told")
        output.complain("again")
        _ = await output.settle()

        #expect(
            reader.text == "\r\u{1B}[Kgot 1 file\r\u{1B}[Kdfsh: told\ndfsh: again\n")
    }

    @Test func `a terminal gets no raw control byte of a file, and a pipe gets all`() async throws {
        for (isTerminal, text) in [(true, "\\x1b]0;x\\x07\n"), (false, "\u{1B}]0;x\u{7}\n")] {
            let reader = try Reader()
            reader.letGo()
            let output = ShellOutput(
                results: reader.take, complaints: reader.take, isTerminal: isTerminal)

            try await output.content([UInt8]("\u{1B}]0;x\u{7}\n".utf8))
            _ = await output.settle()

            #expect(reader.text == text)
        }
    }

    @Test func `what is followed ends when the reader goes, also while nothing comes`() async throws
    {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let (near, far) = (ends[0], ends[1])
        let output = ShellOutput(
            results: { _ in true }, complaints: { _ in true },
            hangUp: { await DescriptorWait.hangUp(of: far) })

        let following = Task {
            try await output.whileRead {
                close(near)
                await ShellOutput.never()
            }
        }
        let result = await following.result

        #expect(throws: ShellFailure.told(.failed)) { try result.get() }
        close(far)
    }

    @Test func `what is followed ends when a disk takes no more, and says so`() async throws {
        let output = ShellOutput(
            results: { _ in
                errno = ENOSPC
                return false
            }, complaints: { _ in true })

        let following = Task {
            try await output.whileRead {
                output.line("one")
                output.flush()
                await ShellOutput.never()
            }
        }
        let result = await following.result

        #expect(throws: ShellFailure.told(.failed)) { try result.get() }
        #expect(await output.settle() == ENOSPC)
        #expect(output.hasLostResults)
        #expect(output.settleBlocking() == nil)
    }

    @Test func `a wait ends with its task, also where no descriptor is left`() async throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let far = ends[1]

        let waiting = Task { await DescriptorWait.hangUp(of: far, or: DescriptorWait.Wake(nil)) }
        waiting.cancel()
        await waiting.value

        for end in ends { close(end) }
    }

    @Test func `what can not be read is told, and a wait ends with its task`() async throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let near = ends[0]
        let folder = open("/", O_RDONLY)

        let reading = Task { try await DescriptorWait.read(folder, count: 1) }
        let failure = await reading.result
        let task = Task { try await DescriptorWait.read(near, count: 1) }
        task.cancel()
        let result = await task.result

        #expect(throws: LocalFailure(path: [], number: EISDIR)) { try failure.get() }
        #expect(throws: CancellationError.self) { try result.get() }
        for end in ends + [folder] { close(end) }
    }
}
