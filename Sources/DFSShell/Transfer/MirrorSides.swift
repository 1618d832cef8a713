import DFSClient
import DFSProtocol
import Glibc

/// What one side of a mirror has, as far as it could be read.
struct MirrorSide: Sendable {
    /// Each directory before what is in it.
    var items: [MirrorItem] = []
    /// Places of which it is not known what is in them, or who would have more.
    var unknown: [[UInt8]] = []
}

extension MirrorSide {
    /// Everything below a local directory; what can not be read is told, and is unknown.
    ///
    /// Symbolic links are not followed. What an interrupted `get` left is not looked at; nor what
    /// is in a directory that no tree can have, such as a file server's own below its export.
    static func local(
        _ top: LocalDirectory, _ session: ShellSession, _ tally: TransferTally
    ) async throws -> MirrorSide {
        var side = MirrorSide()
        var waiting = [(directory: top, path: [UInt8]())]
        while let (directory, path) = waiting.popLast() {
            try Task.checkCancellation()
            let found: [LocalName.Entry]
            do {
                found = try await session.disk.list(directory)
            } catch let failure as LocalFailure {
                tally.failed(session.tell(failure))
                side.unknown.append(path)
                continue
            }
            var below: [(directory: LocalDirectory, path: [UInt8])] = []
            for entry in found where !LocalDisk.isTemporary(entry.name) {
                let place = LocalName.join(path, entry.name)
                if case .unreadable(let number) = entry.kind {
                    let path = LocalName.join(directory.path, entry.name)
                    tally.failed(session.tell(LocalFailure(path: path, number: number)))
                    side.unknown.append(place)
                    continue
                }
                side.items.append(item(entry, at: place))
                guard TreePath.refusal(component: entry.name) == nil else {
                    side.unknown.append(place)
                    continue
                }
                guard entry.kind == .directory else { continue }
                do {
                    below.append(
                        (
                            try await session.disk.directory(
                                entry.name, in: directory, makes: false), place
                        ))
                } catch let failure as LocalFailure {
                    tally.failed(session.tell(failure))
                    side.unknown.append(place)
                }
            }
            waiting += below.reversed()
        }
        return side
    }

    private static func item(_ entry: LocalName.Entry, at place: [UInt8]) -> MirrorItem {
        switch entry.kind {
        case .file:
            MirrorItem(path: place, kind: .file, size: entry.size, modified: entry.modified)
        case .directory: MirrorItem(path: place, kind: .directory)
        case .symbolicLink, .special, .unreadable: MirrorItem(path: place, kind: .other)
        }
    }

    /// Everything below a directory of the tree, which is there.
    ///
    /// A part of an upload is none of a mirror's: it is somebody's who goes on with it.
    /// - Throws: Where the listing is not whole.
    static func remote(
        _ entries: [Entry], below top: TreePath
    ) -> MirrorSide {
        var side = MirrorSide()
        for entry in entries {
            guard let rest = entry.path.relative(to: top) else { continue }
            if entry.kind == .file, entry.path.isNameOfPart {
                side.unknown.append(Array(rest))
                continue
            }
            side.items.append(
                MirrorItem(
                    path: Array(rest), kind: entry.kind == .file ? .file : .directory,
                    size: entry.size, modified: entry.modified))
        }
        return side
    }
}

/// File servers that are away or have yet to tell what they have, and what of a directory hangs on
/// them.
struct AbsentServers: Sendable {
    /// One of them.
    struct Absence: Sendable {
        let server: ServerInfo
        /// From the top on; empty for the top itself.
        let place: [UInt8]
        let path: TreePath
    }

    let absences: [Absence]

    /// Who has a mount below a directory, or above it, and may have more than a listing told.
    ///
    /// - Parameter servers: As they were before the listing was asked for and as they are behind
    ///   it: one that told its last file in between was listed without it.
    init(_ servers: [ServerInfo], below top: TreePath) {
        var named: Set<ServerID> = []
        let absent = servers.filter { server in
            let isWhole = server.state == .up || server.state == .draining
            return (!isWhole || server.isStillTelling) && named.insert(server.id).inserted
        }
        absences = absent.flatMap { server in
            server.mounts.compactMap { mount in
                if top == mount || top.isWithin(mount) {
                    return Absence(server: server, place: [], path: top)
                }
                guard let rest = mount.relative(to: top) else { return nil }
                return Absence(server: server, place: Array(rest), path: mount)
            }
        }
    }

    /// Tells for each what is not deleted, and why.
    func tell(_ session: ShellSession) {
        for absence in absences {
            session.output.complain(
                "\(absence.path): nothing is deleted at or below it: file server "
                    + "\(absence.server.id) \(absence.server.absence)")
        }
    }
}

extension ServerInfo {
    /// Why there may be more than is listed.
    fileprivate var absence: String {
        if isStillTelling { return "is still telling what it has" }
        let silence = seenMilliseconds.map { ", silent for \(Amounts.seconds($0))" } ?? ""
        return "is \(state.shown)\(silence)"
    }
}

extension ServerState {
    /// The word for a person.
    fileprivate var shown: String {
        switch self {
        case .goodbye: "down"
        default: ErrorSentence.safe(word)
        }
    }
}
