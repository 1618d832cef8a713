import DFSProtocol
import Glibc
import NIOCore
import NameService

/// Reads the two clocks of the machine.
enum Clock {
    /// The clock that only moves forward.
    @inline(__always)
    static func monotonic() -> MonotonicTime {
        MonotonicTime(nanoseconds: Int64(NIODeadline.now().uptimeNanoseconds))
    }

    /// Both clocks at once.
    static func now() -> Moment {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Moment(
            monotonic: monotonic(),
            wall: WallTime(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec)))
    }
}
