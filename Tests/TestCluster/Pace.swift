/// How often file servers give a sign of life, and when silence means something, in milliseconds.
public struct Pace: Equatable, Sendable {
    /// Between two heartbeats.
    public var beat: Int
    /// Silence after which a server is suspect.
    public var suspect: Int
    /// Silence after which a server is down.
    public var down: Int

    /// Takes three times in milliseconds.
    public init(beat: Int, suspect: Int, down: Int) {
        self.beat = beat
        self.suspect = suspect
        self.down = down
    }

    /// What the servers do by themselves.
    public static let usual = Pace(beat: 1000, suspect: 2500, down: 3500)
    /// A tenth of it, for tests that wait for silence.
    ///
    /// A loaded machine may look silent, so nothing should depend on a server staying up.
    public static let fast = Pace(beat: 100, suspect: 250, down: 350)

    /// The name server's options for it.
    public var options: [String] {
        ["--beat", "\(beat)", "--suspect", "\(suspect)", "--down", "\(down)"]
    }
}
