import DFSProtocol
import TestCluster

/// A file whose places are written one by one.
struct SlotFile: Sendable {
    var handle: String?
    var fid: String?
    /// What each place must hold.
    var places: [[UInt8]] = []
    var version = ToldVersion()
    /// The life of the server that the last session belonged to.
    var epoch = ""
    /// Whether a WRITE is on its way.
    var isWriting = false
    static let count = 32

    /// Notes that the session, if there is one, ended without CLOSE.
    mutating func leave() {
        if handle != nil { version.ended(mayHaveChanged: isWriting) }
        (handle, isWriting) = (nil, false)
    }
}

/// A file that records are appended to, through a session with a lease.
struct LogFile: Sendable {
    var handle: String?
    var token = ""
    var fid: String?
    /// The life of the server that the session belongs to.
    var epoch = ""
    /// Whether the session is on the connection that there is.
    var isAttached = false
    /// Bytes that must be there.
    var size: Int64 = 0
    /// Bytes that were there when it was opened after a restart, until somebody has compared.
    var found: Int64?
}

// Sessions: WRITE and SYNC at known places, and APPEND with op=.
extension CycleClient {
    /// Writes one place of a file, and now and then brings it to the disk or ends the session.
    mutating func writeSlot() throws {
        let path = path("slots")
        let place = Int.random(in: 0..<SlotFile.count, using: &random)
        let text = newText()
        try untilDecided("WRITE of \(path)") { client in
            guard let handle = try client.slots.handle ?? client.openSlots(path) else {
                return false
            }
            let line = "WRITE \(handle) \(place * text.count)"
            client.slots.isWriting = true
            let reply = try client.ask(line, payload: text)
            client.slots.isWriting = false
            switch reply {
            case .ok:
                client.slots.version.changed()
                client.slots.places[place] = text
                client.record.files[path] = Array(client.slots.places.joined())
                return true
            case .refused("busy", _):
                try client.pause()
                return false
            case .refused(_, let text): throw TestFailure("\(line): \(text)")
            case .lost:
                try client.compareSlots(path, place, text)
                return false
            }
        }
        switch place % 5 {
        case 0: try countSlots("SYNC", path)
        case 1: try countSlots("CLOSE", path)
        default: break
        }
    }

    /// Asks for SYNC or CLOSE, and compares the version that is told.
    private mutating func countSlots(_ verb: String, _ path: String) throws {
        guard let handle = slots.handle else { return }
        switch try ask("\(verb) \(handle)") {
        case .ok(let final):
            note(slots.version.counted(as: try final.line.number("ver")), "\(verb) of \(path)")
            if verb == "CLOSE" { slots.leave() }
        case .refused("busy", _), .lost: break
        case .refused(_, let text): throw TestFailure("\(verb) \(path): \(text)")
        }
    }

    private mutating func note(_ fault: String?, _ what: String) {
        if let fault { record.lies.append("\(what): \(fault)") }
    }

    /// Opens the file, which is made full of zero bytes the first time; nil where it was lost.
    private mutating func openSlots(_ path: String) throws -> String? {
        let size = SlotFile.count * CycleRecord.recordBytes
        if slots.fid == nil {
            let zeros = Array(repeating: UInt8(0), count: size)
            guard case .ok = try ask("STORE \(path)", payload: zeros) else { return nil }
            slots.places = Array(
                repeating: Array(repeating: 0, count: CycleRecord.recordBytes),
                count: SlotFile.count)
            record.files[path] = zeros
        }
        guard case .ok(let final) = try ask("OPEN \(path) rw") else { return nil }
        let fid = final.line.text("fid")
        if slots.fid != nil, slots.fid != fid || final.line.text("size") != "\(size)" {
            record.lies.append("\(path) is another file after a kill: \(final.text)")
        }
        let ver = try final.line.number("ver")
        let isRestarted = slots.epoch != epoch
        note(slots.version.opened(as: ver, isRestarted: isRestarted), "OPEN of \(path)")
        slots.epoch = epoch
        slots.fid = fid
        slots.handle = final.line.text("h")
        return slots.handle
    }

    /// After a lost answer: all other places are as they were, and this one is old or new.
    private mutating func compareSlots(_ path: String, _ place: Int, _ text: [UInt8]) throws {
        try untilDecided("FETCH \(path)") { client in
            guard case .ok(let final) = try client.ask("FETCH \(path)") else { return false }
            var expected = client.slots.places
            let old = Array(expected.joined())
            expected[place] = text
            switch final.payload {
            case old: client.record.notApplied += 1
            case Array(expected.joined()):
                client.record.applied += 1
                client.slots.version.found()
                client.slots.places = expected
            default: client.record.lies.append("\(path) is neither old nor new after a kill")
            }
            client.record.files[path] = Array(client.slots.places.joined())
            return true
        }
    }

    /// Appends one record, and knows at the end that it stands there once.
    mutating func append() throws {
        let path = path("log")
        let text = newText()
        var operation = newOperation()
        var wasLost = false
        try untilDecided("APPEND to \(path)") { client in
            guard let handle = try client.logHandle(path) else { return false }
            if let found = client.log.found {
                client.log.found = nil
                if client.compareLog(path, found, text, wasLost) { return true }
                (operation, wasLost) = (client.newOperation(), false)
            }
            let isLost = client.losesAnswer()
            let isBlind = client.repeating == .blindly
            let line = "APPEND \(handle)\(isBlind ? "" : " op=\(operation)")"
            switch try client.ask(line, payload: text, isLost: isLost) {
            case .ok(let final):
                client.record.repeated += wasLost ? 1 : 0
                client.log.size += Int64(text.count)
                if !isBlind, try final.line.number("size") != client.log.size {
                    client.record.lies.append(
                        "\(path) should have \(client.log.size): \(final.text)")
                }
                return true
            case .refused("busy", _):
                try client.pause()
                return false
            case .refused(_, let text): throw TestFailure("\(line): \(text)")
            case .lost:
                wasLost = true
                return false
            }
        }
        record.logs[path, default: []].append(text)
    }

    /// The session on the log: as it was, resumed, or after a restart opened anew; nil where the
    /// connection was lost on the way.
    private mutating func logHandle(_ path: String) throws -> String? {
        if connection != nil, log.epoch == epoch, log.isAttached, let handle = log.handle {
            return handle
        }
        _ = try connected()
        if let handle = log.handle, log.epoch == epoch {
            let line = "RESUME \(handle) token=\(log.token)"
            switch try ask(line) {
            case .ok:
                log.isAttached = true
                return handle
            case .lost: return nil
            case .refused(_, let text): throw TestFailure("\(line): \(text)")
            }
        }
        let line = "OPEN \(path) \(log.fid == nil ? "create" : "rw") lease=30000"
        switch try ask(line) {
        case .ok(let final):
            let fid = final.line.text("fid")
            if log.fid != nil, log.fid != fid {
                record.lies.append("\(path) is another file after a kill: \(final.text)")
            }
            log.found = try final.line.number("size")
            log.fid = fid
            log.handle = final.line.text("h")
            log.token = final.line.text("token") ?? ""
            log.epoch = epoch
            log.isAttached = true
            return log.handle
        case .lost: return nil
        case .refused(_, let text): throw TestFailure("\(line): \(text)")
        }
    }

    /// Compares after a restart: whether the record that got no answer stands at the end.
    private mutating func compareLog(
        _ path: String, _ found: Int64, _ text: [UInt8], _ wasLost: Bool
    ) -> Bool {
        if wasLost, found == log.size + Int64(text.count) {
            record.applied += 1
            log.size = found
            return true
        }
        record.notApplied += wasLost ? 1 : 0
        if found != log.size {
            record.lies.append("\(path) has \(found) bytes after a kill, and not \(log.size)")
            log.size = found
        }
        return false
    }
}
