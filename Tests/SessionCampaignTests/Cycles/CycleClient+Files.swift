import DFSProtocol
import TestCluster

// Whole files: STORE, and RENAME through the name server.
extension CycleClient {
    /// Replaces a file, and knows at the end that it happened once.
    mutating func store(_ path: String) throws {
        let text = newText()
        var operation = newOperation()
        var lostIn: String?
        try untilDecided("STORE \(path)") { client in
            if let life = lostIn, life != client.epoch {
                // The server that was asked is gone: what is there now decides.
                lostIn = nil
                if try client.holds(path, text) { return true }
                operation = client.newOperation()
            }
            let isLost = client.losesAnswer()
            let line = "STORE \(path) op=\(operation)"
            switch try client.ask(line, payload: text, isLost: isLost) {
            case .ok(let final):
                let ver = try final.line.number("ver")
                client.record.repeated += lostIn == nil ? 0 : 1
                let before = client.versions[path] ?? 0
                if ver != before + 1 {
                    client.record.lies.append("\(path) has ver=\(ver) after ver=\(before)")
                }
                client.versions[path] = ver
                client.noteIdentity(of: path, final)
                return true
            case .refused("busy", _):
                try client.pause()
                return false
            case .refused(_, let text): throw TestFailure("\(line): \(text)")
            case .lost:
                lostIn = client.epoch
                _ = try client.connected()
                return false
            }
        }
        record.files[path] = text
    }

    /// Compares after a restart: whether a file holds a new text, or still what it held.
    private mutating func holds(
        _ path: String, _ text: [UInt8]
    ) throws -> Bool {
        var answer: WireConnection.Answer?
        try untilDecided("FETCH \(path)") { client in
            switch try client.ask("FETCH \(path)") {
            case .ok(let final): answer = final
            case .refused("not-found", _): answer = nil
            case .refused(_, let text): throw TestFailure("FETCH \(path): \(text)")
            case .lost: return false
            }
            return true
        }
        let old = record.files[path] ?? nil
        let isNew = answer?.payload == text
        record.applied += isNew ? 1 : 0
        record.notApplied += isNew ? 0 : 1
        if !isNew, answer?.payload != old {
            record.lies.append("\(path) holds neither the old nor the new after a kill")
        }
        let ver = try answer?.line.number("ver")
        let before = versions[path] ?? 0
        // A new file of which nobody was told may be found anew, in version 0.
        let isFound = isNew && old == nil && ver == 0
        if let ver, ver != before + (isNew ? 1 : 0), !isFound {
            record.lies.append("\(path) has ver=\(ver) after a kill, and ver=\(before) before")
        }
        versions[path] = ver
        if let answer { noteIdentity(of: path, answer) }
        return isNew
    }

    /// Compares an identity that was told with what it was before, and with those that are gone.
    private mutating func noteIdentity(of path: String, _ answer: WireConnection.Answer) {
        guard let fid = answer.line.text("fid") else { return }
        if pastIdentities.contains(fid) {
            record.lies.append("\(path) has fid=\(fid), which was removed")
        }
        if let before = identities[path], before != fid {
            record.lies.append("\(path) has fid=\(fid) after fid=\(before)")
        }
        identities[path] = fid
    }

    /// Removes a file and makes it again: another identity, and versions from the first on.
    mutating func remake() throws {
        let path = path("m\(Int.random(in: 0..<2, using: &random))")
        if (record.files[path] ?? nil) == nil { try store(path) }
        try awaitName(path)
        try remove(path)
        try store(path)
        record.remade += 1
    }

    /// Removes a file through the name server; `op=` holds over restarts of both.
    private mutating func remove(_ path: String) throws {
        let line = "REMOVE \(path) op=\(newOperation())"
        try untilDecided(line) { client in
            switch try client.askNames(line) {
            case .ok: return true
            case .refused("server-down", _), .refused("busy", _), .refused("timeout", _), .lost:
                client.record.repeated += 1
                try client.pause()
                return false
            case .refused(_, let text):
                client.record.lies.append("\(line) was repeated and answered: \(text)")
                return true
            }
        }
        record.files[path] = .some(nil)
        versions[path] = nil
        if let fid = identities.removeValue(forKey: path) { pastIdentities.insert(fid) }
        try untilDecided("FETCH \(path)") { client in
            switch try client.ask("FETCH \(path)") {
            case .refused("not-found", _): return true
            case .refused("busy", _), .lost: return false
            case .refused(_, let text): throw TestFailure("FETCH \(path): \(text)")
            case .ok(let final):
                client.record.lies.append("\(path) was removed and is there: \(final.text)")
                return true
            }
        }
    }

    /// Waits until the name server knows of a file: the report of its STORE may be on its way.
    private mutating func awaitName(_ path: String) throws {
        try untilDecided("LOCATE \(path)") { client in
            if case .ok = try client.askNames("LOCATE \(path)") { return true }
            try client.pause()
            return false
        }
    }

    /// Stores a file and gives it another name; `op=` holds over restarts.
    mutating func rename() throws {
        let mark = String(decoding: newOperation().utf8.suffix(12), as: UTF8.self)
        let (first, second) = (path("r\(mark)a"), path("r\(mark)b"))
        try store(first)
        let text = record.files[first] ?? nil
        try awaitName(first)
        let line = "RENAME \(first) \(second) op=\(newOperation())"
        var unknown = 0
        var last = "nothing yet"
        try untilDecided("\(line), answered \(last), \(unknown) times timeout,") { client in
            let reply = try client.askNames(line)
            if case .refused(let code, let text) = reply { last = "\(code): \(text)" }
            switch reply {
            case .ok: return true
            case .refused("server-down", _), .refused("busy", _):
                client.record.repeated += 1
                try client.pause()
                return false
            case .refused("timeout", _):
                client.record.repeated += 1
                unknown += 1
                if unknown % 50 == 0, try client.isElsewhere(first, second, text) { return true }
                try client.pause()
                return false
            case .lost:
                client.record.repeated += 1
                try client.pause()
                return false
            case .refused(_, let text):
                client.record.lies.append("\(line) was repeated and answered: \(text)")
                return true
            }
        }
        record.files[first] = .some(nil)
        record.files[second] = text
    }

    /// Looks where a file is of whose RENAME the name server can not say what became of it.
    ///
    /// It tells files by their identity, so this is a file that has been given another one.
    private mutating func isElsewhere(
        _ first: String, _ second: String, _ text: [UInt8]?
    ) throws -> Bool {
        guard case .refused("not-found", _) = try ask("FETCH \(first)"),
            case .ok(let final) = try ask("FETCH \(second)"), final.payload == text
        else { return false }
        record.identitiesLost += 1
        return true
    }
}
