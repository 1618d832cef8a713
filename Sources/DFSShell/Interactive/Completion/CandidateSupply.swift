import CEditLine
import DFSProtocol
import Synchronization

/// Gets candidates for Tab within a budget: from the table, the cache, or whoever knows.
///
/// Belongs to the main thread. An answer that comes too late is there for the next Tab.
final class CandidateSupply {
    /// How long Tab waits for somebody else.
    static let budgetMilliseconds: Int64 = 500

    /// Asks a server or a disk; runs on no thread of ours and never fails, an error is no
    /// candidate.
    typealias Source = @Sendable (CompletionSubject) async -> CompletionAnswer

    private let commands: [CommandSpecification]
    private let source: Source
    private let aliases: () -> [CompletionCandidate]
    private let jobs: () -> [CompletionCandidate]
    private var cache = CompletionCache()
    private var pending: Question?

    /// One question on its way.
    private final class Question {
        let subject: CompletionSubject
        let answer: Answer
        let task: Task<Void, Never>

        init(_ subject: CompletionSubject, _ source: @escaping Source) {
            let answer = Answer()
            self.subject = subject
            self.answer = answer
            task = Task {
                let found = await source(subject)
                answer.found.withLock { $0 = found }
                dfs_signals_wake()
            }
        }

        deinit { task.cancel() }
    }

    private final class Answer: Sendable {
        let found = Mutex<CompletionAnswer?>(nil)
    }

    init(
        commands: [CommandSpecification], aliases: @escaping () -> [CompletionCandidate],
        jobs: @escaping () -> [CompletionCandidate], source: @escaping Source
    ) {
        self.commands = commands
        self.aliases = aliases
        self.jobs = jobs
        self.source = source
    }

    /// The candidates of a subject; nil where they did not come in time.
    func candidates(for subject: CompletionSubject) -> CompletionAnswer? {
        switch subject {
        case .commands:
            return CompletionAnswer(words(CommandNames.firsts(in: commands)).candidates + aliases())
        case .aliases: return CompletionAnswer(aliases())
        case .jobs: return CompletionAnswer(jobs())
        case .subcommands(let first): return words(CommandNames.seconds(after: first, in: commands))
        case .options(let name): return words(CommandNames.options(of: name, in: commands))
        case .words(let list): return words(list)
        case .remote, .local, .servers, .handles, .serverHandles: break
        }
        let start = CandidateSupply.now
        if let known = cache.find(subject, at: start) { return known }
        if pending?.subject != subject { pending = Question(subject, source) }
        guard let found = pending.flatMap({ answer(to: $0, from: start) }) else { return nil }
        pending = nil
        cache.keep(found, for: subject, at: CandidateSupply.now)
        return found
    }

    /// Forgets what was answered, after a command that may have changed it.
    func forget() {
        cache.removeAll()
        pending = nil
    }

    private func answer(to question: Question, from start: MonotonicTime) -> CompletionAnswer? {
        while true {
            if let found = question.answer.found.withLock({ $0 }) { return found }
            let spent = CandidateSupply.now.milliseconds(since: start)
            guard spent < CandidateSupply.budgetMilliseconds, dfs_signals_has_interrupt() == 0,
                dfs_signals_termination() == 0
            else { return nil }
            dfs_signals_wait(CandidateSupply.budgetMilliseconds - spent, -1)
        }
    }

    private func words(_ words: [String]) -> CompletionAnswer {
        CompletionAnswer(words.map { CompletionCandidate($0) })
    }

    private static let origin = ContinuousClock.now

    private static var now: MonotonicTime {
        let (seconds, attoseconds) = (ContinuousClock.now - origin).components
        return MonotonicTime(nanoseconds: seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
