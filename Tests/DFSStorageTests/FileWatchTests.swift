import CPosix
import DFSProtocol
import FileService
import Glibc
import Synchronization
import Testing

@testable import DFSStorage

/// Who follows an open file is told of every change, whoever makes it.
@Suite struct FileWatchTests {
    let folder: TemporaryFolder
    let disk: OpenStore

    init() throws {
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
    }

    /// Counts what a watch tells.
    private final class Told: Sendable {
        private let calls = Atomic(0)
        private let signal = ChangeSignal()

        func call() {
            calls.add(1, ordering: .acquiringAndReleasing)
            signal.signal()
        }

        /// Forgets the calls so far, does something and tells whether a call follows.
        func follows(_ body: () throws -> Void) rethrows -> Bool {
            calls.store(0, ordering: .releasing)
            try body()
            return signal.wait { calls.load(ordering: .acquiring) > 0 }
        }
    }

    private func followed(
        _ text: String = "x"
    ) throws -> (file: any OpenFile, told: Told, watch: any FileWatch) {
        try disk.put(text, at: path("/a"))
        let file = try disk.store.open(path("/a"), .readWrite, mode: nil)
        let told = Told()
        return (file, told, try disk.store.watch(file) { told.call() })
    }

    @Test func `changes through this server and past it are told`() throws {
        let (file, told, watch) = try followed()
        defer { watch.cancel() }

        #expect(try told.follows { try file.write("y", at: 0) })
        #expect(try told.follows { _ = try file.append("z") })
        #expect(try told.follows { try file.truncate(to: 1) })
        #expect(told.follows { folder.append("more", to: "a") })
        #expect(try told.follows { try folder.write("", to: "a") })
        #expect(try file.text() == "")
    }

    @Test func `a replacement is told, and the file is stale then`() throws {
        let (file, told, watch) = try followed()
        defer { watch.cancel() }

        #expect(try told.follows { try disk.put("new", at: path("/a")) })

        #expect(file.isStale)
        #expect(try file.text() == "x")
    }

    @Test func `a removal by another program is told`() throws {
        let (file, told, watch) = try followed()
        defer { watch.cancel() }
        #expect(!file.isStale)

        #expect(told.follows { unlink(folder.path + "/a") })

        #expect(file.isStale)
        #expect(try file.text() == "x")
    }

    @Test func `a file that leaves the export is told to be stale though it has a name`() throws {
        try disk.put("x", at: path("/a"))
        let file = try disk.store.open(path("/a"), .readWrite, mode: nil)
        let (told, away) = (Told(), try TemporaryFolder())
        // The kernel tells of the move before this server knows what it means.
        let watch = try disk.store.watch(file) { if file.isStale { told.call() } }
        defer { watch.cancel() }

        #expect(told.follows { rename(folder.path + "/a", away.path + "/a") })
    }

    @Test func `a rename within the export goes on`() throws {
        let (file, told, watch) = try followed()
        defer { watch.cancel() }
        try disk.store.rename(path("/a"), to: path("/b"))

        #expect(told.follows { folder.append("more", to: "b") })

        #expect(try file.text() == "xmore")
        #expect(!file.isStale)
    }

    @Test func `one watch serves all who follow a file`() throws {
        let (file, first, watch) = try followed()
        let other = try disk.store.open(path("/a"), .read, mode: nil)
        let second = Told()
        let otherWatch = try disk.store.watch(other) { second.call() }
        #expect(disk.store.table.exports[0].watches.count == 1)

        #expect(try first.follows { _ = try file.append("y") })
        #expect(try second.follows { _ = try file.append("y") })
        watch.cancel()
        #expect(disk.store.table.exports[0].watches.count == 1)
        #expect(try second.follows { _ = try file.append("y") })
        otherWatch.cancel()

        #expect(disk.store.table.exports[0].watches.count == 0)
    }

    @Test func `a watch that nobody holds has ended`() throws {
        let (file, told, watch) = try followed()
        _ = consume watch
        #expect(disk.store.table.exports[0].watches.count == 0)

        let again = try disk.store.watch(file) { told.call() }

        #expect(try told.follows { _ = try file.append("y") })
        again.cancel()
        again.cancel()
        #expect(disk.store.table.exports[0].watches.count == 0)
    }

    @Test func `where the kernel dropped events everybody looks again`() throws {
        let (_, told, watch) = try followed()
        defer { watch.cancel() }
        let overflow = Inotify.Event(watch: -1, mask: 0x4000, cookie: 0, name: [])

        #expect(told.follows { disk.store.table.exports[0].watches.tell([overflow]) })
    }

    /// A kernel whose first watch the disk keeps waiting.
    private final class SlowKernel: Sendable {
        let isAsked = Flag()
        let isAnswering = Flag()
        let signal = ChangeSignal()
        private let calls = Atomic(0)

        func begin(_ inotify: Int32, _ file: Int32) -> Int32 {
            if calls.add(1, ordering: .relaxed).newValue == 2 {
                isAsked.raise()
                signal.signal()
                #expect(signal.wait { isAnswering.isRaised })
            }
            return dfs_watch_file(inotify, file)
        }
    }

    @Test func `a disk that does not answer keeps nobody from ending a watch or telling of a file`()
        throws
    {
        let kernel = SlowKernel()
        let watches = try FileWatches { kernel.begin($0, $1) }
        let told = Told()
        let files = try ["a", "b"].map { name throws in
            try folder.write("x", to: name)
            return try Descriptor(open("\(folder.path)/\(name)", O_RDWR | O_CLOEXEC))
        }
        let first = try watches.add(files[0], try files[0].status().identity) { told.call() }
        let second = Background {
            let watch = try watches.add(files[1], try files[1].status().identity) {}
            watch.cancel()
        }
        #expect(kernel.signal.wait { kernel.isAsked.isRaised })

        let identity = try files[0].status().identity
        let others = Background {
            watches.tell(identity)
            first.cancel()
        }
        others.wait()
        #expect(second.isRunning)
        #expect(watches.count == 0)

        kernel.isAnswering.raise()
        kernel.signal.signal()
        second.wait()
        watches.stop()
    }

    @Test func `each export is watched for itself`() throws {
        let other = try TemporaryFolder()
        let both = try OpenStore([
            ExportSettings(folder: other.folder("1"), mount: path("/1")),
            ExportSettings(folder: other.folder("2"), mount: path("/2")),
        ])
        try both.put("x", at: path("/2/a"))
        let file = try both.store.open(path("/2/a"), .readWrite, mode: nil)

        let watch = try both.store.watch(file) {}

        #expect(both.store.table.exports.map(\.watches.count) == [0, 1])
        watch.cancel()
    }

    @Test func `a closed session can not be watched`() throws {
        let (file, _, watch) = try followed()
        watch.cancel()
        _ = try file.close()

        #expect(refusal { _ = try disk.store.watch(file) {} } == .staleHandle)
    }

    @Test func `a store that was closed watches nothing`() throws {
        let (file, told, _) = try followed()
        try disk.store.close()

        #expect(refusal { _ = try disk.store.watch(file) { told.call() } } == .draining)
    }
}

extension TemporaryFolder {
    /// Adds to a file as another program would.
    func append(_ text: String, to name: String) {
        let descriptor = open("\(path)/\(name)", O_WRONLY | O_APPEND)
        defer { Glibc.close(descriptor) }
        #expect(Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count)
    }
}
