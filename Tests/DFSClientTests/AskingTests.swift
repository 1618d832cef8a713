import DFSClient
import DFSProtocol
import Testing

@Suite struct AskingTests {
    @Test func `an error line says what it is about, since when and when to come back`()
        async throws
    {
        let failure = try await withClient { _, _ in
            .send("ERR server-down path=/B/F3 server=m2 seen=4000 retry=1000 \"m2 is down\"\n")
        } _: { client, _ in
            await refusal { _ = try await client.locate(TreePath("/B/F3")) }
        }

        #expect(failure?.known == .serverDown)
        #expect(failure?.category == .temporary)
        #expect(failure?.path?.description == "/B/F3")
        #expect(failure?.server?.text == "m2")
        #expect(failure?.seenMilliseconds == 4000)
        #expect(failure?.retryMilliseconds == 1000)
    }

    @Test func `a server that is draining is asked again until the deadline`() async throws {
        let failure = try await withClient(
            of: { _, _ in .send("ERR draining \"this server is stopping\"\n") },
            deadline: .seconds(2)
        ) { client, _ in
            await refusal { _ = try await client.locate(TreePath("/a")) }
        }

        #expect(failure?.known == .draining)
        #expect(failure?.category == .temporary)
    }

    @Test func `an unknown code is temporary where the line says when to retry`() async throws {
        let failures = try await withClient { line, _ in
            line.hasSuffix("/a") ? .send("ERR new-thing retry=5 \"x\"\n") : .send("ERR new-thing\n")
        } _: { client, _ in
            [
                await refusal { _ = try await client.locate(TreePath("/a")) },
                await refusal { _ = try await client.locate(TreePath("/b")) },
            ]
        }

        #expect(failures.map { $0?.category } == [.temporary, .failed])
    }

    @Test func `a file server is not taken for a name server`() async throws {
        let files = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 max-line=65536 max-data=1048576\n"
        ) { _, _ in .send("OK path=/a server=m1 address=127.0.0.1:1 state=up\n") }
        let names = try await ScriptedServer.start { _, _ in .send("ERR not-found path=/a\n") }
        let lone = DFSClient(nameServers: [files.endpoint])
        let both = DFSClient(nameServers: [files.endpoint, names.endpoint])

        let alone = await refusal { _ = try await lone.locate(TreePath("/a")) }
        let passedOver = await refusal { _ = try await both.locate(TreePath("/a")) }

        #expect(alone?.code == "no-name-server")
        #expect(alone?.advice == "\(files.endpoint) is a file server")
        #expect(alone?.category == .unreachable)
        #expect(passedOver?.known == .notFound)
        #expect(files.lines.isEmpty)
        await lone.close()
        await both.close()
        try await files.stop()
        try await names.stop()
    }

    @Test func `redirects in a circle end`() async throws {
        let second = try await ScriptedServer.start { _, _ in .hangUp }
        let (failure, count) = try await withClient { line, _ in
            .send("ERR moved to=127.0.0.1:1 \"elsewhere\"\n")
        } _: { client, server in
            (
                await refusal { _ = try await client.locate(TreePath("/a")) }, server.lines.count
            )
        }
        try await second.stop()

        // The address that it is sent to refuses: that is the answer, and it comes at once.
        #expect(failure?.category == .unreachable)
        #expect(count >= 1)
    }

    @Test func `a server that sends everybody to itself is a violation`() async throws {
        // The second server learns its own address from the line that the first one passes on.
        let place = AddressBox()
        let server = try await ScriptedServer.start { _, _ in
            .send("ERR moved to=\(place.endpoint) \"elsewhere\"\n")
        }
        place.set(server.endpoint)
        var options = ClientOptions()
        options.tagsEveryRequest = false
        let client = DFSClient(nameServers: [server.endpoint], options: options)

        let failure = await refusal { _ = try await client.locate(TreePath("/a")) }

        #expect(failure?.code == "protocol-violation")
        #expect(server.lines.count == client.options.redirects + 1)
        await client.close()
        try await server.stop()
    }

    @Test func `a redirect is followed once to where it leads`() async throws {
        let right = try await ScriptedServer.start { _, _ in
            .send("OK path=/a server=m1 addr=127.0.0.1:9 state=up\n")
        }
        let place = AddressBox()
        place.set(right.endpoint)

        let location = try await withClient { _, _ in
            .send("ERR moved to=\(place.endpoint) \"elsewhere\"\n")
        } _: { client, _ in
            try await client.locate(TreePath("/a"))
        }

        #expect(location.server.text == "m1")
        try await right.stop()
    }

    @Test func `silence ends at the deadline as a timeout whose outcome is unknown`() async throws {
        let failure = try await withClient(
            of: { _, count in count == 1 ? .send("OK files=1 dirs=2 bytes=3\n") : .silence },
            deadline: .seconds(2)
        ) { client, _ in
            // A deadline that passes before there is a connection would leave nothing unknown.
            _ = try await client.diskUsage(.root)
            return await refusal { try await client.remove(TreePath("/a")) }
        }

        #expect(failure?.known == .timeout)
        #expect(failure?.isOutcomeUnknown == true)
    }

    @Test func `a question whose answer was lost is asked again over a new connection`()
        async throws
    {
        let (location, lines) = try await withClient { _, count in
            count == 1 ? .hangUp : .send("OK path=/a server=m1 addr=127.0.0.1:9 state=up\n")
        } _: { client, server in
            (try await client.locate(TreePath("/a")), server.lines)
        }

        #expect(location.server.text == "m1")
        #expect(lines == ["LOCATE /a", "LOCATE /a"])
    }

    @Test func `the next name server of the list is asked where the first is not there`()
        async throws
    {
        let gone = try await ScriptedServer.start { _, _ in .hangUp }
        try await gone.stop()
        let there = try await ScriptedServer.start { _, _ in
            .send("OK files=1 dirs=2 bytes=3\n")
        }
        var options = ClientOptions()
        options.tagsEveryRequest = false
        let client = DFSClient(nameServers: [gone.endpoint, there.endpoint], options: options)

        let first = try await client.diskUsage(.root)
        let second = try await client.diskUsage(.root)

        #expect([first, second].map(\.bytes) == [3, 3])
        #expect(client.isNameServerReachable == true)
        await client.close()
        try await there.stop()
    }

    @Test func `with no name server at all that is the answer`() async throws {
        let gone = try await ScriptedServer.start { _, _ in .hangUp }
        try await gone.stop()
        var options = ClientOptions()
        options.reconnectPatience = .milliseconds(50)
        let client = DFSClient(nameServers: [gone.endpoint], options: options)

        let failure = await refusal { _ = try await client.servers() }

        #expect(failure?.category == .unreachable)
        #expect(client.isNameServerReachable == false)
        await client.close()
    }

    @Test func `each change of whether a name server answers is told once`() async throws {
        let server = try await ScriptedServer.start { _, count in
            count == 3 ? .hangUp : .send("OK files=1 dirs=2 bytes=3\n")
        }
        var options = ClientOptions()
        options.reconnectPatience = .zero
        let client = DFSClient(nameServers: [server.endpoint], options: options)
        var changes = client.reachabilityChanges.makeAsyncIterator()

        _ = try await client.diskUsage(.root)
        let first = await changes.next()
        // The third is answered at the second attempt; in between nobody answers.
        for _ in 0..<2 { _ = try await client.diskUsage(.root) }
        let last = await changes.next()

        #expect(first == true)
        // The newest replaces the one before it.
        #expect(last == true)
        #expect(client.isNameServerReachable == true)
        await client.close()
        try await server.stop()
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\n\r\n", "OK SMTP\n", "\u{1}\u{2}\n", "ERR too-many fatal \"full\"\n",
    ])
    func `what is no DFS server is told from one`(greeting: String) async throws {
        let server = try await ScriptedServer.start(greeting: greeting) { _, _ in .silence }
        var options = ClientOptions()
        options.deadline = .seconds(3)
        let client = DFSClient(nameServers: [server.endpoint], options: options)

        let failure = await refusal { _ = try await client.servers() }

        #expect(failure?.category == (greeting.hasPrefix("ERR") ? .temporary : .integrity))
        await client.close()
        try await server.stop()
    }

    @Test(arguments: [
        "OK path=/a server=m1 addr=nowhere state=up\n", "OK path=/a addr=127.0.0.1:9\n",
        "OK path=/a server=\"m 1\" addr=127.0.0.1:9\n",
        "OK path=/a server=m1 addr=127.0.0.1:9 size=x\n",
        "OK path=/a server=m1 addr=127.0.0.1:99999\n",
    ])
    func `a location that can not be right is a violation`(answer: String) async throws {
        let failure = try await withClient { _, _ in
            .send(answer)
        } _: { client, _ in
            await refusal { _ = try await client.locate(TreePath("/a")) }
        }

        #expect(failure?.code == "protocol-violation")
    }

    @Test func `any answer says that a name server is there, and only silence that it is not`()
        async throws
    {
        let answers = ["ERR not-found path=/a \"x\"\n", "ERR busy retry=1 \"x\"\n", nil]
        var reached: [Bool?] = []
        for answer in answers {
            let isReached = try await withClient(
                of: { _, _ in answer.map { .send($0) } ?? .silence }, deadline: .seconds(2)
            ) { client, _ in
                #expect(client.isNameServerReachable == nil)
                let failure = await refusal { _ = try await client.locate(TreePath("/a")) }
                #expect(failure != nil)
                return client.isNameServerReachable
            }
            reached.append(isReached)
        }

        #expect(reached == [true, true, false])
    }
}
