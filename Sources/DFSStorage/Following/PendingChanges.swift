/// Names that were told as changed and wait a moment, so that a burst costs one look a name.
struct PendingChanges {
    /// A name in a directory of the ledger.
    struct Spot: Hashable {
        var folder: NodeID
        var name: [UInt8]
    }

    /// Names kept at most; beyond it the whole folder is scanned instead.
    static let limit = 50_000

    /// Renames in the order in which they happened.
    private(set) var moves: [(from: Spot, to: Spot)] = []
    /// Where in `moves` the newest one to a name stands.
    private var arrivals: [Spot: Int] = [:]
    private var order: [Spot] = []
    private var known: Set<Spot> = []
    /// First halves of renames; `isHeld` where the second one has been waited for already.
    private var departures: [UInt32: (spot: Spot, isHeld: Bool)] = [:]

    /// Whether nothing waits.
    var isEmpty: Bool { order.isEmpty }
    /// Whether so much waits that a scan is cheaper.
    var isTooMuch: Bool { order.count > PendingChanges.limit }

    /// Names grouped by directory, directories in the order in which they were told.
    var byFolder: [(folder: NodeID, names: [[UInt8]])] {
        var groups: [(folder: NodeID, names: [[UInt8]])] = []
        var positions: [NodeID: Int] = [:]
        for spot in order {
            if let position = positions[spot.folder] {
                groups[position].names.append(spot.name)
            } else {
                positions[spot.folder] = groups.count
                groups.append((spot.folder, [spot.name]))
            }
        }
        return groups
    }

    /// Notes a change of one name.
    mutating func add(_ spot: Spot) {
        if known.insert(spot).inserted { order.append(spot) }
    }

    /// Notes the first half of a rename.
    mutating func depart(_ spot: Spot, cookie: UInt32) {
        add(spot)
        departures[cookie] = (spot, false)
    }

    /// Notes the second half; a rename of what was renamed before continues that one.
    mutating func arrive(_ spot: Spot, cookie: UInt32) {
        add(spot)
        guard let from = departures.removeValue(forKey: cookie)?.spot else { return }
        if let index = arrivals.removeValue(forKey: from) {
            moves[index].to = spot
            arrivals[spot] = index
        } else {
            arrivals[spot] = moves.count
            moves.append((from, spot))
        }
    }

    /// Takes out what is to be looked at now.
    ///
    /// A name whose rename has no second half yet stays for one more turn: the kernel tells the two
    /// apart, and between them anything can run.
    mutating func take() -> PendingChanges {
        var (now, later) = (self, PendingChanges())
        let unpaired = departures.filter { !$0.value.isHeld }.sorted { $0.key < $1.key }
        for (cookie, departure) in unpaired {
            later.add(departure.spot)
            later.departures[cookie] = (departure.spot, true)
            now.known.remove(departure.spot)
        }
        now.order.removeAll { !now.known.contains($0) }
        self = later
        return now
    }
}
