import CPosix
import DFSProtocol
import FileService
import Foundation
import Glibc
import Synchronization
import Testing

@testable import DFSStorage

@Suite struct ConfinementTests {
    let folder: TemporaryFolder
    let outside: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        outside = try TemporaryFolder()
        _ = outside.folder("a/b")
        try outside.write("secret", to: "f")
        try outside.write("secret", to: "a/f")
        try outside.write("secret", to: "a/b/f")
    }

    @Test(arguments: ["f", "a/f", "a/b/f"])
    func `a symlink at any component leads nowhere`(name: String) throws {
        let disk = try OpenStore(folder)
        let parts = name.split(separator: "/").map(String.init)
        for depth in parts.indices {
            let link = "link\(depth)"
            _ = folder.folder("\(link)/" + parts[..<depth].joined(separator: "/"))
            let place = ([link] + parts[...depth]).joined(separator: "/")
            symlink(
                "\(outside.path)/\(parts[...depth].joined(separator: "/"))",
                "\(folder.path)/\(place)")
            let target = path("/\(link)/\(name)")

            for access in [FileAccess.read, .readWrite, .create, .createNew] {
                let code = refusal { _ = try disk.store.open(target, access, mode: nil) }
                #expect([.denied, .exists, .notDirectory].contains(code), "\(access) \(place)")
            }
            #expect(refusal { try disk.put("x", at: target) } != nil)
            #expect(refusal { _ = try disk.store.entry(target) } != nil)
            #expect(
                refusal {
                    _ = try disk.store.setAttributes(
                        target, mode: FileMode(bits: 0o777), mtime: nil)
                } != nil)
            #expect(refusal { try disk.store.rename(target, to: path("/got")) } != nil)
            #expect(refusal { try disk.store.remove(target, recursive: true) } != nil)
        }
        #expect(outside.read(name) == "secret")
        #expect(try disk.names(in: .root).allSatisfy { $0.hasPrefix("link") })
    }

    @Test func `special files are refused without hanging and not listed`() throws {
        mkfifo("\(folder.path)/fifo", 0o666)
        mknod("\(folder.path)/device", S_IFCHR | 0o666, 0x105)
        let socket = try listen(at: "\(folder.path)/socket")
        defer { Glibc.close(socket) }
        let disk = try OpenStore(folder)

        for name in ["fifo", "device", "socket"] where folder.exists(name) {
            let target = path("/\(name)")
            for access in [FileAccess.read, .readWrite, .create] {
                #expect(
                    refusal { _ = try disk.store.open(target, access, mode: nil) } == .denied,
                    "\(name) \(access)")
            }
            #expect(refusal { try disk.put("x", at: target) } == .denied)
            #expect(refusal { try disk.store.remove(target, recursive: true) } == .denied)
            #expect(folder.exists(name))
        }
        #expect(try disk.names(in: .root) == [])
        #expect(disk.store.census().skipped >= 2)
    }

    @Test func `the ledger's folder is not served`() throws {
        let disk = try OpenStore(folder)
        try disk.put("x", at: path("/a"))

        #expect(try disk.names(in: .root) == ["a"])
        #expect(try disk.inventory().map(\.path) == [path("/a")])
    }

    @Test func `swapping a directory with a symlink gets nobody outside`() throws {
        let disk = try OpenStore(folder)
        _ = folder.folder("a")
        try folder.write("inside", to: "a/f")
        symlink("\(outside.path)/a", "\(folder.path)/b")
        let target = path("/a/f")
        let swapper = SwapThread(folder.path)
        swapper.start()
        var (opened, refused) = (0, 0)
        for round in 0..<3000 {
            do {
                if round % 3 == 0 {
                    try disk.put("inside", at: target)
                    opened += 1
                } else {
                    let file = try disk.store.open(target, .read, mode: nil)
                    #expect(try file.text() == "inside")
                    opened += 1
                }
            } catch {
                refused += 1
            }
        }
        let swaps = swapper.stop()

        #expect(swaps > 1000)
        #expect(opened > 0, "refused \(refused)")
        #expect(outside.read("a/f") == "secret")
        #expect(outside.entries("a") == ["b", "f"])
    }

    @Test func `without confinement the same swapping does lead outside`() throws {
        _ = folder.folder("a")
        try folder.write("inside", to: "a/f")
        symlink("\(outside.path)/a", "\(folder.path)/b")

        let swapper = SwapThread(folder.path)
        swapper.start()
        var texts: Set<String> = []
        for _ in 0..<100_000 where texts.count < 2 {
            if let text = folder.read("a/f") { texts.insert(text) }
        }
        _ = swapper.stop()

        #expect(texts == ["inside", "secret"])
    }

    private func listen(at path: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
        return descriptor
    }
}

/// Swaps `a` with `b` as fast as it can.
final class SwapThread: Sendable {
    private let folder: String
    private let stopped = Flag()
    private let swaps = Atomic(0)
    private let end = ChangeSignal()
    private let finished = Flag()

    init(_ folder: String) { self.folder = folder }

    func start() {
        Thread { [self] in
            while !stopped.isRaised {
                let code = dfs_rename(
                    AT_FDCWD, folder + "/a", AT_FDCWD, folder + "/b", dfs_rename_exchange)
                if code == 0 { swaps.add(1, ordering: .relaxed) }
            }
            finished.raise()
            end.signal()
        }.start()
    }

    func stop() -> Int {
        stopped.raise()
        _ = end.wait { finished.isRaised }
        return swaps.load(ordering: .relaxed)
    }
}
