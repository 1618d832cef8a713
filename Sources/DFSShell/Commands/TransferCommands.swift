import DFSClient
import DFSProtocol

/// What moves files: `get`, `put`, `cp`, `mirror` and their kin.
enum TransferCommands {
    static let all: [Command] =
        GetCommand.all + PutCommand.all + CopyCommand.all + MirrorCommand.all

    /// What stands for standard input and output where a local name is expected.
    static let standardStream = [UInt8]("-".utf8)

    /// A command that brings what is in a directory into another one that is there.
    static func again(_ call: Invocation, _ from: [UInt8], _ to: [UInt8]) -> String {
        let letters = ["p", "c"].filter(call.has).map { "-\($0) " }.joined()
        let name = call.specification.name
        return "\(name) -r \(letters)\(Word.typed(from)) \(Word.typed(to))"
    }
}

extension ShellSession {
    /// Runs the transfer of one of several things; a failure is told and counted.
    ///
    /// - Throws: Where the person wanted no more, or no name server answers.
    func orTell(
        _ tally: TransferTally, _ body: () async throws -> Void
    ) async throws {
        do {
            try await body()
        } catch let error where error.meansNoNameServer {
            throw error
        } catch {
            let code = tell(await explained(error))
            if code == .interrupted { throw ShellFailure.told(code) }
            tally.failed(code)
        }
    }

    /// Brings what was received to the disk; a failure of that is told.
    func settle(_ tally: TransferTally) async {
        do {
            try await disk.settle()
        } catch {
            tally.spoiled(tell(error))
        }
    }

    /// How many bytes are below paths, for a progress line; nil where that is not known.
    func bytes(below paths: [TreePath]) async -> Int64? {
        var total: Int64 = 0
        for path in paths {
            // A progress line without a percentage is no failure.
            guard let usage = try? await client.diskUsage(path) else { return nil }
            let (sum, isTooMuch) = total.addingReportingOverflow(usage.bytes)
            if isTooMuch { return nil }
            total = sum
        }
        return total
    }
}
