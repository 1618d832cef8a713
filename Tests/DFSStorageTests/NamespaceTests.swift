import DFSProtocol
import FileService
import Glibc
import Testing

@testable import DFSStorage

@Suite struct NamespaceTests {
    let folder: TemporaryFolder
    let disk: OpenStore

    init() throws {
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
        try disk.put("f", at: path("/file"))
        try disk.put("g", at: path("/dir/inner/g"))
        _ = folder.folder("empty")
        // A request shows it to the ledger at once; no event has to come first.
        _ = try disk.store.entry(path("/empty"))
    }

    @Test func `a listing of many new names waits for one commit of the ledger`() throws {
        let others = try TemporaryFolder()
        for number in 0..<40 { try others.write("x", to: "\(number)") }
        // Nobody scans the folder: all names are new to whoever lists it.
        let store = try DiskStore.open(exports: [ExportSettings(folder: others.path)])
        let ledger = store.table.exports[0].ledger
        ledger.start()
        defer {
            ledger.abandon()
            store.table.exports[0].release()
        }

        let listed = try store.list(.root, after: nil, limit: 100).entries

        #expect(listed.count == 40)
        #expect(listed.allSatisfy { $0.facts.size == 1 && $0.facts.fid > 0 })
        #expect(ledger.rounds <= 2)
    }

    @Test(
        arguments: [
            ("/file", "/new", nil), ("/file", "/made/new", nil), ("/file", "/dir/inner/g", nil),
            ("/file", "/file", nil), ("/dir", "/new", nil), ("/dir", "/empty", nil),
            ("/file", "/dir", .isDirectory), ("/file", "/empty", .isDirectory),
            ("/dir", "/file", .notDirectory), ("/empty", "/dir", .notEmpty),
            ("/dir", "/dir/inner/x", .badArgument), ("/nope", "/x", .notFound),
            ("/nope", "/nope", .notFound), ("/", "/x", .denied), ("/file", "/", .denied),
        ] as [(String, String, ErrorCode?)])
    func `rename does what is asked or nothing`(
        from: String, target: String, expected: ErrorCode?
    ) throws {
        let before = try disk.inventory().map(\.path)

        let code = refusal { try disk.store.rename(path(from), to: path(target)) }

        #expect(code == expected)
        if code != nil { #expect(try disk.inventory().map(\.path) == before) }
        if code == nil, from != target {
            #expect(refusal { _ = try disk.store.entry(path(from)) } == .notFound)
            _ = try disk.store.entry(path(target))
        }
    }

    @Test(
        arguments: [
            ("/file", false, nil), ("/file", true, nil), ("/nope", false, nil),
            ("/nope/x", true, nil),
            ("/empty", false, nil), ("/dir", false, .notEmpty), ("/dir", true, nil),
            ("/", true, .denied), ("/file/x", true, .notDirectory),
        ] as [(String, Bool, ErrorCode?)])
    func `remove takes files, empty directories and, if asked, what is in them`(
        name: String, recursive: Bool, expected: ErrorCode?
    ) throws {
        let code = refusal { try disk.store.remove(path(name), recursive: recursive) }

        #expect(code == expected)
        if code == nil {
            #expect(refusal { _ = try disk.store.entry(path(name)) } != nil)
            #expect(try disk.inventory().allSatisfy { !$0.path.isWithin(path(name)) })
        }
    }

    @Test func `what is not served keeps a directory, and goes with it when asked`() throws {
        let outside = try TemporaryFolder()
        try outside.write("kept", to: "f")
        symlink(outside.path, "\(folder.path)/empty/link")

        #expect(refusal { try disk.store.remove(path("/empty"), recursive: false) } == .notEmpty)
        try disk.store.remove(path("/empty"), recursive: true)

        #expect(!folder.exists("empty"))
        #expect(disk.wait { folder.entries(".dfs/trash") == [] })
        #expect(outside.read("f") == "kept")
    }

    @Test func `two names of one file are renamed as two files would be`() throws {
        link("\(folder.path)/file", "\(folder.path)/other")

        try disk.store.rename(path("/file"), to: path("/other"))

        #expect(!folder.exists("file"))
        #expect(folder.read("other") == "f")
    }

    @Test func `an inventory in pages of any size is the same, parents first`() throws {
        let whole = try disk.inventory()

        for page in 1...5 { #expect(try disk.inventory(page: page) == whole) }

        let paths = whole.map(\.path)
        #expect(paths == paths.sorted())
        #expect(
            paths == ["/dir", "/dir/inner", "/dir/inner/g", "/empty", "/file"].map { path($0) })
    }

    @Test func `an inventory goes on behind a path that has gone`() throws {
        let first = try disk.store.inventory(after: nil, limit: 3)
        try disk.store.remove(path("/dir"), recursive: true)
        try disk.put("z", at: path("/z"))

        let rest = try disk.store.inventory(after: first.next, limit: 10)
        let behind = try disk.store.inventory(after: path("/dir/x/y"), limit: 10)

        #expect(
            rest.reports.map(\.path).suffix(2) == [path("/empty"), path("/file")]
                || rest.reports.map(\.path) == [path("/empty"), path("/file"), path("/z")])
        #expect(behind.reports.map(\.path) == [path("/empty"), path("/file"), path("/z")])
    }
}

@Suite struct MountTests {
    let first: TemporaryFolder
    let second: TemporaryFolder
    let disk: OpenStore

    init() throws {
        first = try TemporaryFolder()
        second = try TemporaryFolder()
        _ = first.folder("in/side")
        try first.write("hidden", to: "in/side/file")
        disk = try OpenStore([
            ExportSettings(folder: first.path, mount: path("/a")),
            ExportSettings(folder: second.path, mount: path("/a/in/side")),
        ])
    }

    @Test func `the longest mount wins, and what it covers is hidden`() throws {
        try disk.put("x", at: path("/a/in/side/new"))

        #expect(second.read("new") == "x")
        #expect(try disk.names(in: path("/a/in/side")) == ["new"])
        #expect(try disk.names(in: path("/a/in")) == ["side"])
        #expect(
            try disk.inventory().map(\.path)
                == [path("/a/in"), path("/a/in/side/new")])
    }

    @Test func `directories above mounts are listed and can not be changed`() throws {
        #expect(try disk.names(in: .root) == ["a"])
        #expect(try disk.store.entry(.root).isDirectory)
        #expect(refusal { try disk.put("x", at: path("/b")) } == .notFound)
        #expect(refusal { try disk.store.remove(.root, recursive: true) } == .denied)
        #expect(refusal { try disk.store.remove(path("/a/in"), recursive: true) } == .denied)
        #expect(
            refusal { try disk.store.rename(path("/a/in"), to: path("/a/out")) } == .denied)
        #expect(first.read("in/side/file") == "hidden")
    }

    @Test func `renaming between exports is for the client to do`() throws {
        try disk.put("x", at: path("/a/f"))

        #expect(
            refusal { try disk.store.rename(path("/a/f"), to: path("/a/in/side/f")) }
                == .crossServer)
    }

    @Test func `no identity is given twice over two exports and a kill`() throws {
        var fids: [Int64?] = []
        var disk = disk
        for name in ["one", "two", "three"] {
            for place in ["/a/", "/a/in/side/"] {
                fids.append(try disk.put("x", at: path(place + name)).facts.fid)
            }
            disk.store.abandon()
            disk = try OpenStore([
                ExportSettings(folder: first.path, mount: path("/a")),
                ExportSettings(folder: second.path, mount: path("/a/in/side")),
            ])
        }

        #expect(fids.allSatisfy { $0 != nil })
        #expect(Set(fids).count == 6, "\(fids)")
    }

    @Test func `generations count over all exports, and begin anew with another set`() throws {
        let before = disk.store.generation
        try disk.put("x", at: path("/a/f"))
        try disk.put("y", at: path("/a/in/side/f"))
        let changes = try #require(disk.store.changes(after: before, limit: 10))
        try disk.store.close()

        let other = try OpenStore([ExportSettings(folder: first.path, mount: path("/a"))])

        #expect(changes.map(\.report.path) == [path("/a/f"), path("/a/in/side/f")])
        #expect(other.store.generation > before + 2)
        #expect(other.store.changes(after: before + 2, limit: 10).map { $0.count } == nil)
    }
}
