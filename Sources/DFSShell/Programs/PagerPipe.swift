import Glibc
import Synchronization

/// A pipe into a pager, which is started when there is something to show.
final class PagerPipe: Sendable {
    /// What is written here is what the pager shows, without control bytes.
    let output: ShellOutput

    private struct State {
        var readEnd: Int32?
        var writeEnd: Int32?
        var program: LocalProgram.Running?
        var isTerminated = false
    }

    private let command: String
    private let state: Mutex<State>

    /// - Throws: `ShellFailure` where there is no pipe to be had.
    init(command: String) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw LocalFailure.failure([], errno) }
        let (readEnd, writeEnd) = (ends[0], ends[1])
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        self.command = command
        state = Mutex(State(readEnd: readEnd, writeEnd: writeEnd))
        output = ShellOutput(
            results: { writeAll($0, to: writeEnd) }, complaints: { _ in true }, isTerminal: true,
            hangUp: { await DescriptorWait.hangUp(of: writeEnd) })
    }

    /// Starts the pager, unless it was.
    func start() throws {
        try state.withLock { state in
            guard let readEnd = state.readEnd, state.program == nil, !state.isTerminated else {
                return
            }
            state.program = try LocalProgram(shell: command, input: readEnd).start()
            // Once the pager goes, nobody reads.
            close(readEnd)
            state.readEnd = nil
        }
    }

    /// Ends the pager at once, or keeps it from starting.
    func terminate() {
        state.withLock { state in
            state.isTerminated = true
            state.program?.terminate()
            // What waits to be written has no reader then.
            if let end = state.readEnd { close(end) }
            state.readEnd = nil
        }
    }

    /// Tells the pager that this was all, and waits until the person leaves it.
    ///
    /// - Returns: Its exit code; nil where it was never started.
    func end() async -> Int32? {
        let program = state.withLock { state in
            for end in [state.readEnd, state.writeEnd] {
                if let end { close(end) }
            }
            (state.readEnd, state.writeEnd) = (nil, nil)
            return state.program
        }
        return await program?.end()
    }
}
