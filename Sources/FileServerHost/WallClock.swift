import DFSProtocol
import Glibc

/// The time of day of this machine; for times that people read, never for leases or liveness.
enum WallClock {
    static func now() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(
            seconds: Int64(time.tv_sec), nanoseconds: Int32(truncatingIfNeeded: time.tv_nsec))
    }
}
