import DFSProtocol

/// What is known of one node, packed into its record and read back.
extension Catalogue {
    /// What is known of a file, or time and mode of a directory.
    func facts(of node: UInt32) -> FileFacts {
        let record = records[Int(node)]
        let mode =
            record.mode == CatalogueRecord.unknownMode ? nil : FileMode(bits: UInt32(record.mode))
        if let facts = unusual[node] {
            return FileFacts(
                size: record.size, mtime: facts.mtime, mode: mode, fid: record.fid, ver: facts.ver)
        }
        let (seconds, rest) = Catalogue.split(record.mtime)
        return FileFacts(
            size: record.size, mtime: WallTime(seconds: seconds, nanoseconds: rest), mode: mode,
            fid: record.fid, ver: Int64(record.ver))
    }

    /// A file's version, without the rest.
    @inline(__always)
    func version(of node: UInt32) -> Int64 {
        let version = records[Int(node)].ver
        if version == CatalogueRecord.unusualVersion { return unusual[node]?.ver ?? Int64(version) }
        return Int64(version)
    }

    private static func split(_ nanoseconds: Int64) -> (Int64, Int32) {
        var (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        if rest < 0 { (seconds, rest) = (seconds - 1, rest + 1_000_000_000) }
        return (seconds, Int32(rest))
    }

    /// Puts what is known of a file, or of a directory, in the place of what was.
    mutating func setFacts(_ facts: FileFacts, of node: UInt32) {
        let (product, overflow) = facts.mtime.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (time, carry) = product.addingReportingOverflow(Int64(facts.mtime.nanoseconds))
        let fits = !overflow && !carry && time != CatalogueRecord.unusualTime
        let version = UInt32(exactly: facts.ver) ?? CatalogueRecord.unusualVersion
        if !fits || version == CatalogueRecord.unusualVersion {
            unusual[node] = facts
        } else if unusual[node] != nil {
            unusual[node] = nil
        }
        let index = Int(node)
        records[index].size = facts.size
        records[index].mtime = fits ? time : CatalogueRecord.unusualTime
        records[index].fid = facts.fid
        records[index].ver = version
        records[index].mode = facts.mode.map(\.bits) ?? CatalogueRecord.unknownMode
        touch(node)
    }

    /// Moves a directory's time.
    mutating func setTime(_ time: WallTime, of directory: UInt32) {
        var facts = facts(of: directory)
        guard facts.mtime != time else { return }
        facts.mtime = time
        setFacts(facts, of: directory)
    }
}
