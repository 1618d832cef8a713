import Glibc

/// Threads of their own for calls that block, so that Swift's cooperative pool keeps its few.
public enum BlockingThread {
    private final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Starts a thread that nobody joins.
    ///
    /// - Throws: `TestFailure` where the system gives none.
    public static func start(_ body: @escaping @Sendable () -> Void) throws {
        let box = Unmanaged.passRetained(Box(body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw TestFailure("no thread could be started: \(systemMessage(code))")
        }
        pthread_detach(thread)
    }

    /// Runs a call that blocks on a thread of its own and suspends until it is over.
    ///
    /// It stays in the caller's task, so what the call records belongs to the caller's test. Child
    /// tasks (`async let`) have threads of their own too.
    public static func run<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withTaskExecutorPreference(Executor.shared) { try await body() }
    }

    /// Gives every piece of a task a new thread.
    private final class Executor: TaskExecutor {
        static let shared = Executor()

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            let executor = asUnownedTaskExecutor()
            do {
                try BlockingThread.start { job.runSynchronously(on: executor) }
            } catch {
                // Without a thread the job has nowhere else to run, and would never end.
                preconditionFailure("\(error)")
            }
        }
    }
}

/// The system's sentence for an error number.
func systemMessage(_ code: Int32 = errno) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    let text = String(
        decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    return text.isEmpty ? "error \(code)" : text
}
