import DFSProtocol

/// One instant on both clocks: leases and liveness are counted on one, people read the other.
public struct Moment: Equatable, Sendable {
    /// What silence, deadlines and claims are counted on.
    public var monotonic: MonotonicTime
    /// What is written into the catalogue.
    public var wall: WallTime

    /// Joins the two readings.
    public init(monotonic: MonotonicTime, wall: WallTime) {
        self.monotonic = monotonic
        self.wall = wall
    }
}
