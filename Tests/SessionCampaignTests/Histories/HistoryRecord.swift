/// What was seen in one history, file by file.
struct HistoryRecord: Sendable {
    /// What an answer told of a file's identity and version.
    struct Sighting: Sendable {
        let invoked: Int
        let returned: Int
        let fid: Int64?
        let ver: Int64
    }

    /// Operations by file.
    var operations: [[FileOperation]]
    /// Sightings by file, of requests that name the file.
    var sightings: [[Sighting]]
    /// Requests that were refused, which promises that they did nothing.
    var refused = 0
    /// Connections that clients gave up, and sessions that went on on another one.
    var losses = 0
    var resumed = 0

    init(files: Int) {
        operations = Array(repeating: [], count: files)
        sightings = Array(repeating: [], count: files)
    }

    mutating func add(_ other: HistoryRecord) {
        for file in operations.indices {
            operations[file] += other.operations[file]
            sightings[file] += other.sightings[file]
        }
        refused += other.refused
        losses += other.losses
        resumed += other.resumed
    }

    /// Notes that the server is dead: what was not answered has happened by now, or never.
    mutating func killed(at time: Int) {
        for file in operations.indices {
            for index in operations[file].indices
            where operations[file][index].returned == .max {
                operations[file][index].returned = time
                operations[file][index].answer = .none(.kill)
            }
        }
    }

    /// A sentence for each pair of answers that has another identity, or a version that went back.
    func setbacks(of file: Int) -> [String] {
        var sentences: [String] = []
        for first in sightings[file] {
            for second in sightings[file] where first.returned < second.invoked {
                if first.ver > second.ver {
                    sentences.append("ver=\(second.ver) was told after ver=\(first.ver)")
                }
                if let one = first.fid, let other = second.fid, one != other {
                    sentences.append("fid=\(other) was told after fid=\(one)")
                }
            }
        }
        return sentences
    }
}
