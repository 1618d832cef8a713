/// Says in a sentence what the surroundings of a test could not do.
public struct TestFailure: Error, CustomStringConvertible {
    /// The sentence, with all that is needed to look further.
    public let description: String

    /// Takes the sentence.
    public init(_ description: String) { self.description = description }
}
