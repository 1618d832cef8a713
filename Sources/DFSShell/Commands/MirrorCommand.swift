import DFSClient
import DFSProtocol
import Glibc

/// `mirror`: makes a directory here as one of the tree is, or with `-R` the other way.
enum MirrorCommand {
    static let all: [Command] = [Command(row: mirror, run: run)]

    private static let mirror = CommandSpecification(
        "mirror", .files,
        [.init("source", .remoteDirectory), .init("target", .localDirectory)],
        options: [
            .init("R", "the other way: source is here, target in the tree"),
            .init(
                "delete",
                "removes what the source does not have; never where that may only be away",
                isLong: true),
            TransferManner.limitRate, TransferManner.dryRun,
        ],
        "Brings what is missing or has another size or time, with modes and times; done again, it "
            + "goes on.",
        examples: [
            ("mirror /docs docs", "what is new in /docs, into the directory docs here"),
            ("mirror -R photos /pool/photos", "the other way"),
            ("mirror --delete --dry-run /docs docs", "what would be brought, and what removed"),
        ], exits: GetCommand.exits)

    private static func run(_ session: ShellSession, _ call: Invocation) async throws {
        var manner = try TransferManner(call, continues: true)
        manner.keepsAttributes = true
        let (first, second) = (call.operands[0], call.operands[1])
        let deletes = call.has("delete")
        if call.has("R") {
            let path = try await session.onePath(second)
            let verb = manner.isDry ? "would put" : "put"
            try await session.tallied(verb) { tally in
                let upload = Upload(session: session, tally: tally, manner: manner)
                try await MirrorUp(upload, deletes: deletes).run(from: first.bytes, to: path)
            }
            return
        }
        let path = try await session.onePath(first)
        let verb = manner.isDry ? "would get" : "got"
        try await session.tallied(verb) { tally in
            let download = Download(session: session, tally: tally, manner: manner)
            let down = MirrorDown(download, deletes: deletes)
            do {
                try await down.run(from: path, to: second.bytes)
            } catch {
                // What has its name is brought to the disk however it ended.
                await session.settle(tally)
                throw error
            }
            await session.settle(tally)
        }
    }

    /// Refuses to delete everything: an empty source may be a disk that is not mounted.
    ///
    /// - Returns: Whether something may be deleted.
    static func mayDelete(
        from source: MirrorSide, _ target: MirrorSide, _ shown: String, _ session: ShellSession,
        _ tally: TransferTally
    ) -> Bool {
        guard source.items.isEmpty, !target.items.isEmpty else { return true }
        session.output.complain(
            "\(shown) is empty, as what is not mounted is too: nothing is deleted for that")
        tally.spoiled(.temporary)
        return false
    }

    /// Refuses to delete where something could not be brought: what is to go may be that very thing
    /// under the name that it had before.
    static func isComplete(
        _ plan: MirrorPlan, _ session: ShellSession, _ tally: TransferTally
    ) -> Bool {
        let missing = tally.missing
        guard missing > 0, !plan.deletions.isEmpty else { return true }
        session.output.complain(
            "nothing is deleted, as \(Amounts.count(missing, "file")) could not be brought; "
                + "once they can, do it again")
        return false
    }
}

/// From the tree to here.
private struct MirrorDown: Sendable {
    private let download: Download
    private let deletes: Bool
    private var session: ShellSession { download.session }
    private var tally: TransferTally { download.tally }

    init(_ download: Download, deletes: Bool) {
        self.download = download
        self.deletes = deletes
    }

    func run(from path: TreePath, to local: [UInt8]) async throws {
        let before = deletes ? try await session.client.servers() : []
        // A listing that is not whole throws here, before anything was touched.
        let entries = try await session.client.find(path).all()
        let source = MirrorSide.remote(entries, below: path)
        let isThere = try await session.disk.kind(of: local) != nil
        if !isThere, download.manner.isDry {
            return await follow(
                MirrorPlan(source: source.items, target: [], deletes: false), entries, path, local)
        }
        if !isThere { try await makeTop(local) }
        let top = try await session.disk.open(directory: local)
        let target = try await MirrorSide.local(top, session, tally)
        let mayDelete =
            deletes
            && MirrorCommand.mayDelete(from: source, target, "\(path)", session, tally)
        var kept = target.unknown + source.unknown
        if mayDelete { kept += try await keptForAbsence(path, before) }
        let plan = MirrorPlan(
            source: source.items, target: target.items, deletes: mayDelete, keeping: kept)
        for _ in 0..<plan.unchanged { tally.unchanged() }
        if download.manner.isDry { return await follow(plan, entries, path, local) }
        let wanted = Set((plan.files + plan.directories).map(\.path))
        let chosen = entries.filter { entry in
            entry.path.relative(to: path).map { wanted.contains(Array($0)) } ?? false
        }
        var tree = TreeDownload(download, of: path, into: top, only: chosen)
        try await tree.run()
        // Where the name server is gone, so is what the plan was made of.
        if tally.leavesTheRest() { return }
        guard MirrorCommand.isComplete(plan, session, tally) else { return }
        try await delete(plan.deletions, below: top)
    }

    private func makeTop(_ local: [UInt8]) async throws {
        let place = try await LocalPlace(target: local, name: [], session.disk)
        let parent = try await session.disk.open(directory: place.parent)
        _ = try await session.disk.directory(place.name, in: parent, makes: true)
    }

    /// Where file servers hang that are away: what they have may not be listed whole.
    ///
    /// - Parameter before: The servers as they were before the listing was asked for.
    private func keptForAbsence(
        _ path: TreePath, _ before: [ServerInfo]
    ) async throws -> [[UInt8]] {
        let absent = AbsentServers(before + (try await session.client.servers()), below: path)
        guard !absent.absences.isEmpty else { return [] }
        absent.tell(session)
        tally.spoiled(.temporary)
        return absent.absences.map(\.place)
    }

    /// Tells what would be done.
    private func follow(
        _ plan: MirrorPlan, _ entries: [Entry], _ path: TreePath, _ local: [UInt8]
    ) async {
        for item in plan.directories {
            let place = LocalName.join(local, item.path)
            session.output.line(
                "make local \(Word.typed(place))", as: ["would": "make", "local": .bytes(place)])
        }
        let wanted = Set(plan.files.map(\.path))
        for entry in entries {
            guard let rest = entry.path.relative(to: path), wanted.contains(Array(rest)) else {
                continue
            }
            // It only tells, and nothing of that can fail.
            try? await tally.file { download.tell(entry, as: LocalName.join(local, rest), $0) }
        }
        for item in plan.deletions {
            let place = LocalName.join(local, item.path)
            session.output.line(
                "delete local \(Word.typed(place))",
                as: ["would": "delete", "local": .bytes(place)])
            tally.deleted()
        }
    }

    private func delete(_ items: [MirrorItem], below top: LocalDirectory) async throws {
        var folders = LocalFolders(top, session.disk)
        for item in items {
            try Task.checkCancellation()
            do {
                let (folder, name) = try await folders.place(of: item.path)
                try await session.disk.remove(
                    name, in: folder, isDirectory: item.kind == .directory)
                tally.deleted()
            } catch let failure as LocalFailure {
                tally.failed(session.tell(failure))
            }
        }
    }
}

/// From here to the tree.
private struct MirrorUp: Sendable {
    private let upload: Upload
    private let deletes: Bool
    private var session: ShellSession { upload.session }
    private var tally: TransferTally { upload.tally }

    init(_ upload: Upload, deletes: Bool) {
        self.upload = upload
        self.deletes = deletes
    }

    func run(from local: [UInt8], to path: TreePath) async throws {
        let top = try await session.disk.open(directory: local)
        let source = try await MirrorSide.local(top, session, tally)
        let before = deletes ? try await session.client.servers() : []
        let entries = try await entries(below: path)
        let target = MirrorSide.remote(entries ?? [], below: path)
        let shown = "local \(Word.typed(local))"
        let mayDelete =
            deletes && MirrorCommand.mayDelete(from: source, target, shown, session, tally)
        var kept = source.unknown + target.unknown
        if mayDelete {
            let servers = try await session.client.servers()
            let absent = AbsentServers(before + servers, below: path)
            if !absent.absences.isEmpty {
                absent.tell(session)
                tally.spoiled(.temporary)
                kept += absent.absences.map(\.place)
            }
            // A directory that is a file server's own, or has one in it, is none of the mirror's.
            kept += servers.flatMap(\.mounts).compactMap { mount in
                mount == path ? nil : mount.relative(to: path).map { Array($0) }
            }.filter { place in !source.items.contains { $0.path == place } }
        }
        let plan = MirrorPlan(
            source: source.items, target: target.items, deletes: mayDelete, keeping: kept)
        for _ in 0..<plan.unchanged { tally.unchanged() }
        if entries == nil, !path.isRoot { try await upload.makeDirectory(path) }
        try await send(plan, to: path, from: top)
        if tally.leavesTheRest() { return }
        guard MirrorCommand.isComplete(plan, session, tally) else { return }
        try await delete(plan.deletions, below: path)
    }

    /// Everything below a directory; nil where there is none yet.
    private func entries(below path: TreePath) async throws -> [Entry]? {
        do throws(DFSError) {
            return try await session.client.find(path).all()
        } catch {
            guard error.known == .notFound else { throw error }
            return nil
        }
    }

    private func send(
        _ plan: MirrorPlan, to path: TreePath, from top: LocalDirectory
    ) async throws {
        for item in plan.directories {
            if tally.leavesTheRest() { return }
            guard let place = place(of: item, below: path) else { continue }
            do {
                if upload.manner.isDry {
                    session.output.line(
                        "make \(place)", as: ["would": "make", "path": .path(place)])
                }
                try await upload.makeDirectory(place)
            } catch {
                try await tally.tell(error, session)
            }
        }
        var folders = LocalFolders(top, session.disk)
        let later = SecondAttempts()
        await later.begin(session)
        // What is only told is told in the order of the tree.
        let capacity = upload.manner.isDry ? 1 : Upload.capacity
        try await withThrowingTaskGroup(of: Int.self) { group in
            var used = 0
            for item in plan.files {
                if tally.leavesTheRest() { break }
                guard let place = place(of: item, below: path) else { continue }
                do {
                    let (folder, name) = try await folders.place(of: item.path)
                    let cost = Upload.cost(of: item.size)
                    while used > 0, used + cost > capacity { used -= try await group.next() ?? 0 }
                    used += cost
                    group.addTask {
                        try await upload.fileOrTell(name, in: folder, to: place, later: later)
                        return cost
                    }
                } catch {
                    try await tally.tell(error, session)
                }
            }
            try await group.waitForAll()
        }
        try await later.run(session)
    }

    /// The path in the tree; nil for a name that no tree can have, once that was told.
    private func place(of item: MirrorItem, below top: TreePath) -> TreePath? {
        do throws(RequestError) {
            return try TreePath(LocalName.join(top.bytes, item.path))
        } catch {
            session.output.complain(
                "local \(Word.typed(item.path)): skipped: \(ErrorSentence.safe(error.advice))")
            tally.refused()
            return nil
        }
    }

    private func delete(_ items: [MirrorItem], below top: TreePath) async throws {
        for item in items {
            try Task.checkCancellation()
            if tally.leavesTheRest() { return }
            guard let place = place(of: item, below: top) else { continue }
            do {
                if upload.manner.isDry {
                    session.output.line(
                        "delete \(place)", as: ["would": "delete", "path": .path(place)])
                } else {
                    try await session.client.remove(
                        place, kind: item.kind == .directory ? .directory : .file)
                }
                tally.deleted()
            } catch  where error.known == .notFound {
                // Somebody else was quicker.
                tally.deleted()
            } catch {
                try await tally.tell(error, session)
            }
        }
    }
}

/// Directories below a local top, opened one below the other and without following links.
private struct LocalFolders {
    private let disk: LocalDisk
    /// From the top down to the last one that was asked for.
    private var open: [(name: [UInt8], directory: LocalDirectory)]

    init(_ top: LocalDirectory, _ disk: LocalDisk) {
        self.disk = disk
        open = [([], top)]
    }

    /// The directory that a path from the top stands in, and its name there.
    mutating func place(
        of path: [UInt8]
    ) async throws -> (directory: LocalDirectory, name: [UInt8]) {
        let parts = path.split(separator: TreePath.slash).map(Array.init)
        var depth = 1
        for part in parts.dropLast() {
            if depth < open.count, open[depth].name == part {
                depth += 1
                continue
            }
            open.removeLast(open.count - depth)
            let next = try await disk.directory(part, in: open[depth - 1].directory, makes: false)
            open.append((part, next))
            depth += 1
        }
        open.removeLast(open.count - depth)
        return (open[depth - 1].directory, parts.last ?? [])
    }
}
