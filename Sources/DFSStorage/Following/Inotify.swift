import CPosix

/// What the kernel tells of watched directories.
struct Inotify {
    /// One change that was told.
    struct Event {
        var watch: Int32
        var mask: UInt32
        /// Joins the two halves of a rename.
        var cookie: UInt32
        /// The entry's name; empty where the directory itself is meant.
        var name: [UInt8]

        func has(_ flag: Int32) -> Bool { mask & UInt32(bitPattern: flag) != 0 }

        /// Whether the kernel dropped events because nobody fetched them in time.
        var isOverflow: Bool { has(0x4000) }
        /// Whether the watch is gone, as the directory is.
        var isEndOfWatch: Bool { has(0x8000) }
        var isMoveAway: Bool { has(0x40) }
        var isMoveHere: Bool { has(0x80) }
        /// Whether the watched directory itself has another place now.
        var isMoveOfWatched: Bool { has(0x800) }
    }

    let descriptor: Descriptor

    init() throws(SystemError) { descriptor = try Descriptor(dfs_watch_open()) }

    /// Fetches what has come in so far.
    func events() -> [Event] {
        var events: [Event] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        // A bound, so that a busy folder does not keep everything else from being done.
        for _ in 0..<64 {
            let count = buffer.withUnsafeMutableBytes { bytes in
                dfs_watch_read(descriptor.number, bytes.baseAddress, bytes.count)
            }
            if count <= 0 { break }
            Inotify.append(buffer[..<count], to: &events)
        }
        return events
    }

    /// Reads `struct inotify_event`: watch, mask, cookie and length of the name, four bytes each.
    private static func append(_ buffer: ArraySlice<UInt8>, to events: inout [Event]) {
        func number(at index: Int) -> UInt32 {
            buffer[index..<(index + 4)].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        var start = 0
        while start + 16 <= buffer.endIndex {
            let end = start + 16 + Int(number(at: start + 12))
            guard end <= buffer.endIndex else { return }
            events.append(
                Event(
                    watch: Int32(bitPattern: number(at: start)), mask: number(at: start + 4),
                    cookie: number(at: start + 8),
                    name: Array(buffer[(start + 16)..<end].prefix { $0 != 0 })))
            start = end
        }
    }
}
