import DFSProtocol

/// How often file servers beat, and after which silence they are believed to be in trouble.
///
/// The name server sets the pace in its replies, so that all file servers follow one setting.
public struct Pace: Equatable, Sendable {
    /// Between two heartbeats, in milliseconds.
    public let beat: Int64
    /// Silence after which a server is suspect, in milliseconds.
    public let suspect: Int64
    /// Silence after which a server is down, in milliseconds.
    public let down: Int64

    /// Beats every second, suspect after 2.5 s, down after 3.5 s.
    public init() { (beat, suspect, down) = (1000, 2500, 3500) }

    /// Checks three durations in milliseconds.
    ///
    /// - Throws: `bad-argument` unless 10 <= beat < suspect < down <= one day.
    public init(beat: Int64, suspect: Int64, down: Int64) throws(RequestError) {
        guard beat >= 10, beat < suspect, suspect < down, down <= 86_400_000 else {
            throw RequestError(
                .badArgument,
                "--beat, --suspect and --down are milliseconds: 10 <= beat < suspect < down")
        }
        (self.beat, self.suspect, self.down) = (beat, suspect, down)
    }
}
