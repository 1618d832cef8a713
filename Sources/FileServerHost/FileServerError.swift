/// Why a file server can not start or go on, as one sentence for the operator.
public struct FileServerError: Error, CustomStringConvertible, Sendable {
    /// What is wrong and what to do about it.
    public let description: String

    /// Takes the sentence.
    public init(_ description: String) { self.description = description }
}
