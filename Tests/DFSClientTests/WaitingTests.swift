import DFSClient
import DFSProtocol
import NIOCore
import Synchronization
import Testing

/// Transfers whose file server goes down while they are under way, and questions to it.
@Suite struct WaitingTests {
    // MARK: Parts

    @Test func `a part waits for its name until its server is back`() async throws {
        let (names, files) = try await TransferFixture.run(names: {
            $0.verb == "RENAME" && $0.time < 3 ? .send(TransferFixture.refusedAsDown) : nil
        }) { fixture in
            try await fixture.put()
            return (fixture.names.lines, fixture.file.lines)
        }

        // Refused, nothing was done: each is a change of its own.
        let renames = names.filter { $0.hasPrefix("RENAME") }.map(FileServerFixture.name)
        #expect(Set(renames).count == 3)
        #expect(!names.contains { $0.hasPrefix("REMOVE") })
        #expect(files.count { $0.hasPrefix("WRITE") } == 2)
    }

    @Test func `a part of which a restarted name server has not heard waits for its name`()
        async throws
    {
        let names = try await TransferFixture.run(names: {
            $0.verb == "RENAME" && $0.time == 1
                ? .send("ERR not-found path=\($0.line.split(separator: " ")[1]) \"x\"\n") : nil
        }) { fixture in
            try await fixture.put()
            return fixture.names.lines
        }

        #expect(names.count { $0.hasPrefix("RENAME") } == 2)
    }

    @Test func `a part goes on where its server was down for a moment`() async throws {
        let isSilent = Flag()
        let (names, files) = try await TransferFixture.run(
            watchAfter: .zero,
            names: {
                $0.verb == "SERVERS" && isSilent.take() ? TransferFixture.down($0.address) : nil
            },
            file: {
                guard $0.verb == "WRITE", $0.time == 1 else { return nil }
                isSilent.set()
                return .silence
            }
        ) { fixture in
            try await fixture.put()
            return (fixture.names.lines, fixture.file.lines)
        }

        #expect(names.contains { $0.hasPrefix("RENAME") })
        #expect(files.count { $0.hasPrefix("WRITE") } == 3)
        #expect(files.count { $0.hasPrefix("RESUME") } == 1)
    }

    @Test func `a part whose digest is asked of its own server is not missing`() async throws {
        let files = try await TransferFixture.run(file: {
            $0.verb == "DIGEST" && $0.time == 1 ? .hangUp : nil
        }) { fixture in
            try await fixture.put()
            return fixture.file.lines
        }

        #expect(files.count { $0.hasPrefix("DIGEST") } == 2)
    }

    @Test func `a put to a server that stays down is told so, and what it left`() async throws {
        let failure = try await TransferFixture.run(
            deadline: .seconds(2), watchAfter: .zero,
            names: {
                switch $0.verb {
                case "SERVERS": TransferFixture.down($0.address)
                case "REMOVE": .send(TransferFixture.refusedAsDown)
                default: nil
                }
            }, file: { $0.verb == "WRITE" || $0.verb == "RESUME" ? .silence : nil }
        ) { fixture in
            await refusal { try await fixture.put() }
        }

        #expect(failure?.known == .serverDown)
        #expect(failure?.path?.description == "/a")
        #expect(failure?.seenMilliseconds == 3000)
        #expect(failure?.isTargetUntouched == true)
        #expect(failure?.leftover?.description.hasPrefix("/a.dfs-part-") == true)
    }

    @Test func `a part whose server was started anew is lost, and was no file of anybody`()
        async throws
    {
        let (failure, names) = try await TransferFixture.run(
            epochs: { $0 },
            names: {
                $0.verb == "REMOVE" && $0.time < 3
                    ? .send($0.time == 1 ? TransferFixture.refusedAsDown : "ERR not-found \"x\"\n")
                    : nil
            }, file: { $0.verb == "WRITE" && $0.time == 2 ? .hangUp : nil }
        ) { fixture in
            (await refusal { try await fixture.put() }, fixture.names.lines)
        }

        #expect(failure?.code == "connection-lost")
        #expect(failure?.path?.description == "/a")
        #expect(failure?.server?.text == "m1")
        #expect(failure?.isTargetUntouched == true)
        #expect(failure?.isOutcomeUnknown == false)
        // The server that made the part comes back and tells of it, and then it can go.
        #expect(names.count { $0.hasPrefix("REMOVE") } == 3)
        #expect(failure?.leftover == nil)
    }

    @Test func `a part that a silent name server can not remove is told`() async throws {
        let failure = try await TransferFixture.run(
            deadline: .seconds(2),
            names: { $0.verb == "RENAME" || $0.verb == "REMOVE" ? .silence : nil }
        ) { fixture in
            await refusal { try await fixture.put() }
        }

        #expect(failure?.known == .timeout)
        #expect(failure?.leftover?.description.hasPrefix("/a.dfs-part-") == true)
    }

    @Test func `a caller who gives up while a server is waited for is told what is left`()
        async throws
    {
        let failure = try await TransferFixture.run(names: {
            $0.verb == "RENAME" || $0.verb == "REMOVE" ? .send(TransferFixture.refusedAsDown) : nil
        }) { fixture in
            let task = Task { await refusal { try await fixture.put() } }
            _ = await fixture.names.lines { $0.contains { $0.hasPrefix("RENAME") } }
            task.cancel()
            return await task.value
        }

        #expect(failure?.known == .cancelled)
        #expect(failure?.isTargetUntouched == true)
        #expect(failure?.leftover != nil)
    }

    // MARK: One request

    @Test func `a small file waits for the server that was chosen for it`() async throws {
        let files = try await TransferFixture.run(
            pieceBytes: 100, watchAfter: .zero,
            names: {
                $0.verb == "LOCATE" && $0.time < 3 ? .send(TransferFixture.refusedAsDown) : nil
            }, file: { $0.verb == "STORE" && $0.time == 1 ? .hangUp : nil }
        ) { fixture in
            try await fixture.put()
            return fixture.file.lines
        }

        let stores = files.filter { $0.hasPrefix("STORE") }
        #expect(stores.count == 2)
        #expect(Set(stores).count == 1)
    }

    @Test func `a put to a server that goes down is server-down and never not-found`() async throws
    {
        let gone = try await ScriptedServer.start { _, _ in .silence }
        let address = gone.endpoint
        try await gone.stop()
        let failure = try await TransferFixture.run(
            deadline: .seconds(2), pieceBytes: 100,
            names: {
                switch $0.verb {
                case "CREATE": .send("OK path=/a server=m1 addr=\(address) state=up\n")
                case "SERVERS": TransferFixture.down(address)
                default: nil
                }
            }
        ) { fixture in
            await refusal { try await fixture.put() }
        }

        #expect(failure?.known == .serverDown)
        #expect(failure?.isTargetUntouched == true)
        #expect(failure?.isOutcomeUnknown == false)
    }

    // MARK: Reading

    @Test func `a file that has begun to come waits for its server`() async throws {
        let (text, names) = try await TransferFixture.run(
            names: {
                guard $0.verb == "LOCATE" else { return nil }
                let isAway = $0.time == 2 || $0.time == 3
                return .send(
                    isAway
                        ? TransferFixture.refusedAsDown
                        : "OK path=/a server=m1 addr=\($0.address) state=up size=8 ver=1\n")
            }, file: { $0.verb == "FETCH" && $0.time == 2 ? .hangUp : nil }
        ) { fixture in
            var text = ""
            _ = try await fixture.client.fetch(TreePath("/a"), verifies: false) {
                text += String(buffer: $0)
            }
            return (text, fixture.names.lines)
        }

        #expect(text == TransferFixture.content)
        #expect(names.count { $0.hasPrefix("LOCATE") } == 4)
    }

    @Test func `a question to a server that is down is answered at once`() async throws {
        let (failures, names) = try await TransferFixture.run(names: {
            $0.verb == "LOCATE" ? .send(TransferFixture.refusedAsDown) : nil
        }) { fixture in
            let path = try TreePath("/a")
            let failures = [
                await refusal { _ = try await fixture.client.fetch(path) { _ in } },
                await refusal { _ = try await fixture.client.fetch(path, offset: 0, count: 1) },
                await refusal { _ = try await fixture.client.digest(of: path) },
                await refusal { _ = try await fixture.client.open(path, .read) },
                await refusal { try await fixture.put() },
            ]
            return (failures, fixture.names.lines)
        }

        #expect(failures.map { $0?.known } == Array(repeating: .serverDown, count: 5))
        // One each; the digest beside the bytes of a file is given up with them. Who waits asks on
        // and on, for a minute here.
        #expect((5..<40).contains(names.count { $0.hasPrefix("LOCATE") }))
    }
}

/// Something that happened once; taken by whoever asks first.
private final class Flag: Sendable {
    private let isSet = Atomic(false)

    func set() { isSet.store(true, ordering: .relaxed) }
    func take() -> Bool { isSet.exchange(false, ordering: .relaxed) }
}
