/// What came instead of the next line, or the line.
enum LineInput: Equatable, Sendable {
    /// One line without its newline.
    case line([UInt8])
    /// Ctrl-C: what was typed is dropped.
    case interrupted
    /// Ctrl-D, or there is nothing left to read.
    case end
    /// A signal that ends the process; the terminal is as it was found.
    case terminated(Int32)
}

/// Where lines come from: a terminal that is edited on, or one that only writes and reads.
protocol LineSource: AnyObject {
    /// Waits for the next line; runs on the main thread and blocks it.
    func next() -> LineInput

    /// Makes a line the newest that can be recalled.
    func remember(_ line: [UInt8])

    /// Keeps so many of the lines that can be recalled.
    func keep(_ limit: Int)

    /// Gives the terminal back; nothing is read afterwards.
    func close()
}
