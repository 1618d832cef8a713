import DFSClient
import DFSProtocol
import Glibc
import NIOCore
import Synchronization
import TestCluster
import Testing

/// Parts that an earlier attempt left, or that somebody else is still writing.
@Suite(.serialized)
struct EarlierPartTests {
    /// Two pieces, the first of which may be there.
    private static let piece = 1_048_576
    private static let size = Int64(2 * piece)

    private static func source(
        _ progress: @escaping StoreSource.Progress = { _ in }
    ) -> StoreSource {
        StoreSource(size: size, progress: progress) { _, count in
            ByteBuffer(repeating: 0x78, count: count)
        }
    }

    /// Leaves the first piece of /A/F1 as an attempt that was cut short would.
    private func leavePart(_ client: DFSClient) async throws -> TreePath {
        let part = try TreePath("/A/F1.dfs-part-0123456789ab")
        let file = try await client.open(
            part, .createNew, permissions: FileMode(bits: 0o644), lock: .exclusive)
        _ = try await file.write(ByteBuffer(repeating: 0x78, count: Self.piece), at: 0)
        try await file.close()
        // The name server is told a moment later how long it is.
        let deadline = Deadline()
        while try await client.locate(part).size != Int64(Self.piece) {
            try #require(!deadline.isOver)
            await Task.yield()
        }
        return part
    }

    @Test(arguments: [false, true])
    func `a part that somebody else is writing stays theirs`(keeps: Bool) async throws {
        try await withRealCluster { _, client in
            let other = try client()
            let part = try await leavePart(other)
            let writing = try await other.open(part, .readWrite, lock: .exclusive)
            let client = try client()

            let failure = await refusal {
                _ = try await client.store(
                    try TreePath("/A/F1"), continues: true, keepsPart: keeps, from: Self.source())
            }

            #expect(failure?.known == .locked)
            #expect(failure?.isTargetUntouched == true)
            #expect(try await client.locate(part).size == Int64(Self.piece))
            #expect(try await writing.status().entry.size == Int64(Self.piece))
            try await writing.close()
        }
    }

    @Test(arguments: [nil, 0o640] as [UInt16?])
    func `a part that is gone on with gets the permissions of what it replaces`(
        asked: UInt16?
    ) async throws {
        try await withRealCluster { _, client in
            let client = try client()
            let part = try await leavePart(client)
            let path = try TreePath("/A/F1")
            let file = try await client.open(path, .readWrite)
            try await file.setAttributes(mode: FileMode(bits: 0o600))
            try await file.close()
            let reached = Mutex<Int64?>(nil)

            _ = try await client.store(
                path, mode: asked.map { FileMode(bits: UInt32($0)) }, continues: true,
                from: Self.source { bytes in reached.withLock { $0 = $0 ?? bytes } })

            let now = try await client.open(path, .read)
            #expect(try await now.status().entry.mode?.bits == asked ?? 0o600)
            try await now.close()
            // It was that part: its bytes were not sent again, and it is gone.
            #expect(reached.withLock { $0 } == Int64(Self.piece))
            let missing = await refusal { _ = try await client.locate(part) }
            #expect(missing?.known == .notFound)
        }
    }

    @Test func `only names that begin as a part's are asked for`() async throws {
        // A name that is no part's, though it begins so; and the first that does not.
        let page =
            "* file name=a.dfs-part-x size=4 server=m1 state=up\n"
            + "* file name=b size=1 server=m1 state=up\nOK count=2 more=yes after=b\n"
        let lines = try await TransferFixture.run(
            names: { $0.verb == "LIST" ? .send(page) : nil }
        ) { fixture in
            let bytes = ByteBuffer(string: TransferFixture.content)
            _ = try await fixture.client.store(
                TreePath("/a"), continues: true,
                from: StoreSource(size: Int64(bytes.readableBytes)) { offset, count in
                    bytes.getSlice(at: Int(offset), length: count) ?? ByteBuffer()
                })
            return fixture.names.lines
        }

        #expect(
            lines.filter { $0.hasPrefix("LIST") } == ["LIST / after=a.dfs-part- limit=16"])
    }
}
