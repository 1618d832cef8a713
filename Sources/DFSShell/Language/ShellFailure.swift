import DFSClient

/// Why a command failed, in a sentence that is safe to print as it is.
///
/// Names in the sentence have passed through `Quoting`.
public struct ShellFailure: Error, Equatable, Sendable {
    /// What the command ends with.
    public let code: ExitCode
    /// The sentence after `dfsh: `; empty where everything has been said already.
    public let sentence: String
    /// What the service said, where that is what failed.
    public let error: DFSError?

    /// Joins a code and a sentence.
    public init(_ code: ExitCode, _ sentence: String, _ error: DFSError? = nil) {
        self.code = code
        self.sentence = sentence
        self.error = error
    }

    /// Ends a command whose failures were told one by one.
    public static func told(_ code: ExitCode) -> ShellFailure { ShellFailure(code, "") }
}
