import DFSProtocol

/// What the memory index keeps of one name: 48 bytes, the name itself and its slot apart.
///
/// Resident bytes of a file: 48 here, 8 to 24 for the name (its length rounded up to 8), 11 to 21
/// for the slot of the table (8 bytes at a load of 3/8 to 3/4), 4 to 8 in its directory's order.
struct CatalogueRecord {
    /// The directory that holds the name; the record's own number while it is free.
    var parent: UInt32
    /// Where the name starts in the arena, in units of 8 bytes.
    var name: UInt32
    /// Bytes of a file; 0 for the others.
    var size: Int64
    /// Nanoseconds since 1970; `unusualTime` where that does not fit and stands beside the table.
    var mtime: Int64
    /// 0 where it is not known.
    var fid: Int64
    /// `unusualVersion` where it does not fit and stands beside the table.
    var ver: UInt32
    /// The position of a directory's order; `noChildren` for the others.
    var children: UInt32
    /// The owner of a file or claim, the first holder of a directory; 0 for none.
    var server: UInt16
    /// `unknownMode` where it was not told.
    var mode: UInt16
    /// In bytes, 1 to 255.
    var nameLength: UInt8
    var flags: Flags

    /// Kind in the lowest two bits, single facts above.
    struct Flags: OptionSet {
        var rawValue: UInt8
        static let file = Flags([])
        static let directory = Flags(rawValue: 1)
        static let claim = Flags(rawValue: 2)
        static let free = Flags(rawValue: 3)
        static let kindMask = Flags(rawValue: 3)
        /// Made by MKDIR, so that it stays without a holder.
        static let explicit = Flags(rawValue: 4)
        /// Other servers have something here too; it stands in `Catalogue.holdings`.
        static let shared = Flags(rawValue: 8)
        /// A file server told the time of this directory, so that reports below do not move it.
        static let timeTold = Flags(rawValue: 16)
        /// Waits for the next commit; outlives the freeing of the number.
        static let dirty = Flags(rawValue: 32)
        /// A mount point of a known server, or above one.
        static let pinned = Flags(rawValue: 64)
        /// Removed with all that is below it, which is freed in slices; kept no more.
        static let detached = Flags(rawValue: 128)
    }

    static let unusualTime = Int64.min
    static let unusualVersion = UInt32.max
    static let noChildren = UInt32.max
    static let unknownMode = UInt16.max

    /// A file, a directory or a claim with nothing known of it.
    init(parent: UInt32, name: UInt32, nameLength: UInt8, kind: Flags) {
        self.parent = parent
        self.name = name
        self.nameLength = nameLength
        size = 0
        mtime = 0
        fid = 0
        ver = 0
        children = CatalogueRecord.noChildren
        server = 0
        mode = CatalogueRecord.unknownMode
        flags = kind
    }

    @inline(__always) var kind: Flags { flags.intersection(.kindMask) }
    @inline(__always) var isFile: Bool { flags.rawValue & 3 == 0 }
    @inline(__always) var isDirectory: Bool { flags.rawValue & 3 == 1 }
    @inline(__always) var isClaim: Bool { flags.rawValue & 3 == 2 }
    @inline(__always) var isFree: Bool { flags.rawValue & 3 == 3 }
}
