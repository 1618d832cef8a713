/// What a database of one kind looks like: the mark in its header, and the steps that lead to its
/// tables.
public struct DatabaseLayout: Sendable {
    /// Four bytes in the file's header that tell this kind from every other database; not 0.
    public let applicationID: Int32
    /// SQL that leads from each version to the next; the first one makes the tables of version 1.
    ///
    /// A step that was ever released is never changed: a later one is added behind it.
    public let steps: [String]

    /// Joins the mark and the steps.
    public init(applicationID: Int32, steps: [String]) {
        precondition(applicationID != 0, "0 is the mark of a database without one")
        self.applicationID = applicationID
        self.steps = steps
    }

    /// The version that all steps together make; kept as the file's `user_version`.
    public var version: Int32 { Int32(clamping: steps.count) }
}
