import Glibc

/// How many descriptors this process may have open at once.
enum DescriptorLimit {
    /// Raises it as far as a process may by itself; a low default is for programs that use select.
    static func raise() {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        // Where the system does not let us the server lives with what it has, and says `busy`.
        _ = setrlimit(resource, &limit)
    }
}
