import DFSProtocol
import Dispatch
import FileService
import Glibc
import Synchronization
import Testing

@testable import DFSStorage

/// REMOVE and RENAME as the name server orders them, once and once more.
@Suite struct RepeatedOrderTests {
    let folder: TemporaryFolder
    let disk: OpenStore

    init() throws {
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
        try disk.put("first", at: path("/a"))
    }

    private func identity(of name: String) throws -> Int64 {
        try disk.store.entry(path(name)).facts.fid
    }

    @Test(arguments: ["/b", "/d", "/a"])
    func `a rename that replaces nothing is refused where something is`(target: String) throws {
        try disk.put("other", at: path("/b"))
        try disk.put("inner", at: path("/d/f"))

        let code = refusal {
            try disk.store.rename(path("/a"), to: path(target), replacing: false)
        }

        #expect(code == (target == "/a" ? nil : .exists))
        #expect(folder.read("a") == "first")
        #expect(folder.read("b") == "other")
    }

    @Test func `two names of one file are two files to a rename that replaces nothing`() throws {
        link("\(folder.path)/a", "\(folder.path)/b")

        #expect(
            refusal { try disk.store.rename(path("/a"), to: path("/b"), replacing: false) }
                == .exists)

        #expect(folder.read("a") == "first")
        #expect(folder.read("b") == "first")
    }

    @Test func `a file that is stored while a rename looks at its target is never lost`() throws {
        for round in 0..<300 {
            let from = path("/from-\(round)")
            let target = path("/new-\(round)/target")
            try disk.put("moved", at: from)
            let codes = Mutex<[Int: ErrorCode]>([:])
            DispatchQueue.concurrentPerform(iterations: 2) { turn in
                let code = refusal {
                    if turn == 0 {
                        try disk.put("stored", at: target)
                    } else {
                        try disk.store.rename(from, to: target, replacing: false)
                    }
                }
                codes.withLock { $0[turn] = code }
            }

            // Stored before: the rename is refused. Stored after: it replaces what was moved.
            let refused = codes.withLock { $0 }
            #expect(refused[0] == nil)
            #expect(refused[1] == nil || refused[1] == .exists)
            #expect(folder.read("new-\(round)/target") == "stored")
            #expect(folder.read("from-\(round)") == (refused[1] == nil ? nil : "moved"))
        }
    }

    @Test func `a repeated rename is done, and a newer file under the old name stays`() throws {
        let fid = try identity(of: "/a")
        try disk.store.rename(path("/a"), to: path("/b"), replacing: true, fid: fid)
        try disk.put("newer", at: path("/a"))

        try disk.store.rename(path("/a"), to: path("/b"), replacing: true, fid: fid)

        #expect(folder.read("a") == "newer")
        #expect(folder.read("b") == "first")
        #expect(try identity(of: "/b") == fid)
    }

    @Test func `a repeated rename is done also where the old directory has gone`() throws {
        try disk.put("x", at: path("/d/f"))
        let fid = try identity(of: "/d/f")
        try disk.store.rename(path("/d/f"), to: path("/b"), replacing: false, fid: fid)
        try disk.store.remove(path("/d"), recursive: true)

        try disk.store.rename(path("/d/f"), to: path("/b"), replacing: false, fid: fid)

        #expect(folder.read("b") == "x")
    }

    @Test(arguments: [true, false])
    func `a rename of a file that has gone moves no other one of its name`(
        replacing: Bool
    ) throws {
        let fid = try identity(of: "/a")
        try disk.store.remove(path("/a"), recursive: false)
        try disk.put("newer", at: path("/a"))
        try disk.put("kept", at: path("/c"))

        for target in ["/b", "/c", "/none/b"] {
            let code = refusal {
                try disk.store.rename(
                    path("/a"), to: path(target), replacing: replacing, fid: fid)
            }
            #expect(code == (target == "/c" && !replacing ? .exists : .notFound))
        }

        #expect(folder.read("a") == "newer")
        #expect(folder.read("c") == "kept")
    }

    @Test(arguments: [true, false])
    func `a repeated removal leaves what has taken the name since`(recursive: Bool) throws {
        let fid = try identity(of: "/a")
        try disk.store.remove(path("/a"), recursive: recursive, fid: fid)
        #expect(folder.read("a") == nil)
        try disk.put("newer", at: path("/a"))

        try disk.store.remove(path("/a"), recursive: recursive, fid: fid)
        #expect(folder.read("a") == "newer")

        try disk.store.remove(path("/a"), recursive: false)
        try disk.put("inner", at: path("/a/f"))
        try disk.store.remove(path("/a"), recursive: recursive, fid: fid)
        #expect(folder.read("a/f") == "inner")
    }
}
