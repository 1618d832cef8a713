import DFSClient
import DFSProtocol
import Glibc

import struct DFSClient.FileFacts

/// Brings files from the tree to this machine: to a temporary name, verified, then renamed.
struct Download: Sendable {
    let session: ShellSession
    let tally: TransferTally
    let manner: TransferManner

    /// Brings one file; the old one, if any, stays until the new one is whole.
    ///
    /// Where it is cut short, what came of it stays under its temporary name for `get -c`.
    func file(
        _ entry: Entry, as name: [UInt8], in directory: LocalDirectory
    ) async throws {
        try await tally.file { meter in
            if manner.isDry { return tell(entry, as: LocalName.join(directory.path, name), meter) }
            var start: Beginning?
            if manner.continues || manner.isAgain {
                start = try await beginning(of: entry, as: name, in: directory)
            }
            if let start, start.file == nil {
                if manner.keepsAttributes {
                    let attributes = try await attributes(of: entry)
                    try await session.disk.adopt(attributes, name, in: directory)
                }
                return meter.isUnchanged()
            }
            meter.had(start?.prefix.count ?? 0)
            try await file(entry, as: name, in: directory, after: start, meter)
        }
        tally.keepsNoPart(of: entry.path)
    }

    /// Says that an upload which is not whole stays there: it is brought where it is named.
    func leaveOut(part path: TreePath) {
        session.output.complain("\(path): skipped: a part of an upload that is not whole")
        tally.skipped()
    }

    /// Tells what would be brought.
    func tell(_ entry: Entry, as place: [UInt8], _ meter: TransferTally.Meter) {
        session.output.line(
            "get \(entry.path) -> \(Word.typed(place))",
            as: ["would": "get", "path": .path(entry.path), "local": .bytes(place)])
        meter.moved(Int(clamping: entry.size))
    }

    private func file(
        _ entry: Entry, as name: [UInt8], in directory: LocalDirectory, after start: Beginning?,
        _ meter: TransferTally.Meter
    ) async throws {
        let disk = session.disk
        var head: ByteBuffer?
        var file = start?.file
        let limit = manner.limit
        do {
            _ = try await session.client.fetch(
                entry.path, listedAs: entry, after: start.map { ($0.prefix, $0.facts) },
                pace: { try await limit?.pass($0) }
            ) { bytes in
                meter.moved(bytes.readableBytes)
                // The first piece waits: most files have no second, and need one visit to the disk.
                guard let first = head else {
                    if file == nil { head = bytes } else { try await append(bytes, file) }
                    return
                }
                head = nil
                let new = try await disk.createTemporary(for: name, in: directory)
                file = new
                try await disk.append(first, to: new)
                try await disk.append(bytes, to: new)
            }
            let attributes = try await attributes(of: entry)
            if let file {
                try await disk.finish(file, as: name, attributes)
            } else {
                try await disk.place(head ?? ByteBuffer(), as: name, in: directory, attributes)
            }
        } catch {
            if let file {
                if error.letsGoOn {
                    tally.keepsPart(of: entry.path)
                } else {
                    await disk.discard(file)
                }
            }
            throw error
        }
    }

    private func append(_ bytes: ByteBuffer, _ file: LocalFile?) async throws {
        if let file { try await session.disk.append(bytes, to: file) }
    }

    private func attributes(of entry: Entry) async throws -> LocalAttributes {
        var mode = entry.mode
        if mode == nil { mode = try await session.client.stat(entry.path).entry.mode }
        let keepsAll = manner.keepsAttributes
        return LocalAttributes(
            mode: mode, keepsAll: keepsAll, modified: keepsAll ? entry.modified : nil)
    }
}

/// What is here of a file already, and was found to be how it begins.
struct Beginning: Sendable {
    /// Where the rest is added; nil where the whole file stands under its name.
    let file: LocalFile?
    let prefix: FilePrefix
    let facts: FileFacts
}

extension Download {
    private static let pieceBytes = 1_048_576

    /// What an earlier attempt left of a file, or what has its name, where the file begins so.
    private func beginning(
        of entry: Entry, as name: [UInt8], in directory: LocalDirectory
    ) async throws -> Beginning? {
        let disk = session.disk
        if let file = try await disk.leftOver(for: name, in: directory) {
            let prefix = try await prefix { try await disk.read(file, at: $0, count: $1) }
            if let facts = try await session.client.begins(
                entry.path, with: prefix, listedAs: entry)
            {
                try await disk.cut(file, to: prefix.count)
                return Beginning(file: file, prefix: prefix, facts: facts)
            }
            session.output.complain(
                "\(entry.path): what was left of it here is not how it begins now; all of it is "
                    + "brought anew")
            await disk.discard(file)
        }
        guard let present = try await disk.present(name, in: directory), present.size > 0 else {
            return nil
        }
        guard present.size <= entry.size else { return nil }
        let prefix = try await prefix { try await disk.read(present, at: $0, count: $1) }
        guard let facts = try await session.client.begins(entry.path, with: prefix, listedAs: entry)
        else { return nil }
        if facts.size == prefix.count { return Beginning(file: nil, prefix: prefix, facts: facts) }
        return Beginning(
            file: try await copy(of: present, upTo: prefix.count, for: name, in: directory),
            prefix: prefix, facts: facts)
    }

    private func prefix(
        _ read: (Int64, Int) async throws -> ByteBuffer
    ) async throws -> FilePrefix {
        var prefix = FilePrefix()
        while true {
            try Task.checkCancellation()
            let bytes = try await read(prefix.count, Download.pieceBytes)
            if bytes.readableBytes == 0 { return prefix }
            prefix.add(bytes)
        }
    }

    /// A shorter file keeps its name until the whole one takes it: the rest is added to a copy.
    private func copy(
        of present: LocalSource, upTo end: Int64, for name: [UInt8], in directory: LocalDirectory
    ) async throws -> LocalFile {
        let disk = session.disk
        let file = try await disk.createTemporary(for: name, in: directory)
        do {
            var offset: Int64 = 0
            while offset < end {
                try Task.checkCancellation()
                let count = Int(min(Int64(Download.pieceBytes), end - offset))
                let bytes = try await disk.read(present, at: offset, count: count)
                guard bytes.readableBytes == count else {
                    throw LocalFailure(path: present.path, number: EAGAIN)
                }
                try await disk.append(bytes, to: file)
                offset += Int64(count)
            }
            return file
        } catch {
            await disk.discard(file)
            throw error
        }
    }
}

extension Download {
    /// Brings a file of a tree; tells a failure and lets the others go on.
    ///
    /// - Parameter later: Takes it where its server went away; nil for the last attempt.
    /// - Throws: Only when the task was cancelled.
    func fileOrTell(
        _ entry: Entry, in directory: LocalDirectory, later: SecondAttempts?
    ) async throws {
        do {
            try await file(entry, as: entry.name, in: directory)
        } catch {
            let isTaken =
                later?.takes(error) { later in
                    var manner = manner
                    manner.isAgain = true
                    let again = Download(session: session, tally: tally, manner: manner)
                    try await again.fileOrTell(entry, in: directory, later: later)
                } ?? false
            if !isTaken { try await tally.tell(error, session) }
        }
    }
}

extension Error {
    /// Whether what has arrived of a file is of use for another attempt.
    var letsGoOn: Bool {
        guard let error = self as? DFSError else { return self is CancellationError }
        return switch error.category {
        case .interrupted, .unreachable, .temporary: true
        default: false
        }
    }
}
