import DFSProtocol
import Testing

@testable import FileService

@Suite struct LinkTests {
    @Test func `a link says hello, registers with its generation and catches up`() throws {
        var bench = try LinkBench()

        #expect(bench.receive(.started).texts == ["connect 7400"])
        #expect(bench.receive(.connected(session: 1)).texts == ["send hello"])
        #expect(try bench.reply(.hello, "OK version=1 caps=push").texts == ["send register 0"])
        #expect(bench.link.summary.state == .connecting)
        let answer = "OK next=500 suspect=2500 down=3500 inventory=since gen=0"
        #expect(
            try bench.reply(.register(generation: 0), answer).texts
                == ["acknowledged 0", "caught up"])
        #expect(bench.link.summary.state == .registered)
        #expect(bench.link.deadline == bench.now.advanced(milliseconds: 500))
    }

    @Test func `a full inventory goes out in batches and its end carries the baseline`() throws {
        var bench = try LinkBench()
        let count = ReportBatch.mostReports + 1
        for index in 0..<count { bench.store.put(try path("/A/f\(index)"), "x") }
        bench.receive(.changed(generation: Int64(count)))
        try bench.register("OK next=1000 suspect=2500 down=3500 inventory=full")
        #expect(bench.link.summary.state == .reporting)
        var told = 0
        var generations: [Int64?] = []

        while bench.actions.contains(where: { $0.cut != nil }) {
            let report = try #require(try bench.load().compactMap(\.report).first)
            told += report.batch.count
            generations.append(report.generation)
            #expect(report.batch.data.count < 1_048_576)
            try bench.reply(.report(report.batch, generation: report.generation), "OK files=1")
        }

        #expect(told == count)
        #expect(generations.count > 1)
        #expect(generations.last == Int64(count))
        #expect(generations.dropLast().allSatisfy { $0 == nil })
        #expect(bench.actions.texts == ["acknowledged \(count)", "caught up"])
    }

    @Test func `changes during an inventory follow it`() throws {
        var bench = try LinkBench()
        try bench.register("OK next=1000 suspect=2500 down=3500 inventory=full")
        let report = try #require(try bench.load().compactMap(\.report).first)
        #expect(report.generation == 0)
        bench.store.put(try path("/A/new"), "x")
        #expect(bench.receive(.changed(generation: 1)).isEmpty)

        let after = try bench.reply(.report(report.batch, generation: 0), "OK files=0")

        #expect(after.texts == ["acknowledged 0", "load changes 0"])
        #expect(try bench.load().texts == ["send report 1 gen 1"])
    }

    @Test func `what the first scan finds before an inventory begins is told once`() throws {
        var bench = try LinkBench()
        try bench.register("OK next=1000 suspect=2500 down=3500 inventory=full")
        bench.store.put(try path("/A/found"), "x")
        bench.receive(.changed(generation: 1))
        let report = try #require(try bench.load().compactMap(\.report).first)
        #expect(report.generation == 1)

        let after = try bench.reply(.report(report.batch, generation: 1), "OK files=1")

        #expect(after.texts == ["acknowledged 1", "caught up"])
    }

    @Test func `a short outage costs the changes since then`() throws {
        var bench = try LinkBench()
        for index in 1...3 { bench.store.put(try path("/A/f\(index)"), "x") }
        bench.receive(.changed(generation: 3))
        try bench.register("OK next=1000 suspect=2500 down=3500 inventory=since gen=1")

        #expect(bench.actions.texts == ["acknowledged 1", "load changes 1"])
        #expect(try bench.load().texts == ["send report 2 gen 3"])
    }

    @Test(arguments: ["inventory=full", "inventory=since gen=4", "inventory=since", ""])
    func `an inventory follows where the name server knows less or more than history`(
        answer: String
    ) throws {
        var bench = try LinkBench()
        bench.receive(.changed(generation: 3))

        try bench.register("OK next=1000 suspect=2500 down=3500 \(answer)")

        #expect(bench.actions.texts == ["load inventory start"])
    }

    @Test func `an inventory follows where history does not reach back`() throws {
        var bench = try LinkBench()
        bench.store.state.withLock { $0.historyStart = 10 }
        bench.receive(.changed(generation: 10))
        try bench.register("OK next=1000 suspect=2500 down=3500 inventory=since gen=9")

        #expect(try bench.load().texts == ["load inventory start"])
    }

    @Test func `one report is on its way at a time and takes what came meanwhile`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        bench.store.put(try path("/A/a"), "x")
        #expect(bench.receive(.changed(generation: 1)).texts == ["load changes 0"])
        let first = try #require(try bench.load().compactMap(\.report).first)
        bench.store.put(try path("/A/b"), "x")
        bench.store.put(try path("/A/c"), "x")
        #expect(bench.receive(.changed(generation: 3)).isEmpty)

        try bench.reply(.report(first.batch, generation: 1), "OK files=1")

        #expect(bench.actions.texts == ["acknowledged 1", "load changes 1"])
        #expect(try bench.load().texts == ["send report 2 gen 3"])
        #expect(bench.link.summary.pending == 2)
    }

    @Test func `changes that the store does not show yet are told when it does`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        bench.receive(.changed(generation: 1))
        #expect(try bench.load().texts.isEmpty)

        bench.store.put(try path("/A/a"), "x")

        #expect(bench.receive(.changed(generation: 1)).texts == ["load changes 0"])
    }

    @Test func `heartbeats keep the pace that the answers set, one at a time`() throws {
        var bench = try LinkBench()
        try bench.catchUp()

        #expect(bench.advance(999).isEmpty)
        #expect(bench.advance(1).texts == ["send heartbeat 1"])
        #expect(bench.advance(5_000).isEmpty)
        try bench.reply(.heartbeat(sequence: 1), "OK next=200")
        #expect(bench.advance(199).isEmpty)
        #expect(bench.advance(1).texts == ["send heartbeat 2"])
    }

    @Test(arguments: ["stale-epoch", "unknown-server"])
    func `a server that is not known any more comes again at once`(code: String) throws {
        for request in [
            LinkRequest.heartbeat(sequence: 1),
            .report(
                try #require(try ReportBatch.load(.changes(after: 0), from: MemoryStore())),
                generation: 0),
        ] {
            var bench = try LinkBench(nameServers: [7400, 7500])
            try bench.catchUp()

            #expect(bench.refuse(request, code).texts == ["disconnect", "unreachable"])
            #expect(bench.advance(0).texts == ["connect 7400"])
        }
    }

    @Test(arguments: ["stale-epoch", "bad-argument", "denied", "unheard-of"])
    func `an id that is refused at the start is given up`(code: String) throws {
        var bench = try LinkBench()
        bench.receive(.started)
        bench.receive(.connected(session: 1))
        try bench.reply(.hello, "OK version=1 caps=push")

        let texts = bench.refuse(.register(generation: 0), code).texts

        let sentence = "the name server at 127.0.0.1:7400 refused this server: \(code), advice"
        #expect(texts.first == "disconnect")
        #expect(texts.last?.hasPrefix("give up: \(sentence)") == true)
        #expect(texts.last?.hasSuffix("choose another --id") == (code == "stale-epoch"))
        #expect(bench.advance(100_000).isEmpty)
        #expect(bench.receive(.stopping).texts == ["stopped"])
    }

    @Test func `an id that is taken over later is asked for again, and nothing stops`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        bench.refuse(.heartbeat(sequence: 1), "stale-epoch")
        bench.advanceTo(bench.link.deadline)
        bench.receive(.connected(session: bench.link.session))
        try bench.reply(.hello, "OK version=1 caps=push")

        let texts = bench.refuse(.register(generation: 0), "stale-epoch").texts

        #expect(texts == ["disconnect", "unreachable"])
        #expect(bench.link.deadline != nil)
    }

    @Test(arguments: ["busy", "timeout", "internal"])
    func `a passing refusal at the start is tried again`(code: String) throws {
        var bench = try LinkBench()
        bench.receive(.started)
        bench.receive(.connected(session: 1))
        try bench.reply(.hello, "OK version=1 caps=push")

        #expect(
            bench.refuse(.register(generation: 0), code).texts == ["disconnect", "unreachable"])
        #expect(bench.link.deadline != nil)
    }

    @Test func `name servers are tried in turn, with growing waits that stay bounded`() throws {
        var bench = try LinkBench(nameServers: [7400, 7500])
        bench.receive(.started)
        var ports = ["connect 7400"]
        var waits: [Int64] = []

        for _ in 0..<12 {
            let session = bench.link.session
            bench.receive(.lost(session: session, reason: "refused"))
            let due = try #require(bench.link.deadline)
            waits.append(due.milliseconds(since: bench.now))
            bench.advanceTo(due)
            ports += bench.actions.texts
        }

        #expect(
            Array(ports.prefix(4)) == [
                "connect 7400", "connect 7500", "connect 7400", "connect 7500",
            ])
        #expect(waits[0] >= 50 && waits[0] <= 100)
        #expect(waits.allSatisfy { $0 <= 5_000 })
        #expect(waits.suffix(4).allSatisfy { $0 >= 2_500 })
        #expect(Set(waits.suffix(4)).count > 1)
    }

    @Test func `reports that are refused for good bring no storm of connections`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        bench.store.put(try path("/A/a"), "x")
        bench.receive(.changed(generation: 1))
        let batch = try #require(
            try ReportBatch.load(.changes(after: 0), from: bench.store))
        var waits: [Int64] = []

        for _ in 0..<10 {
            bench.refuse(.report(batch, generation: 1), "bad-argument")
            let end = try #require(bench.link.deadline)
            waits.append(end.milliseconds(since: bench.now))
            bench.advanceTo(end)
            bench.receive(.connected(session: bench.link.session))
            try bench.reply(.hello, "OK version=1 caps=push")
            try bench.reply(
                .register(generation: 1),
                "OK next=1000 suspect=2500 down=3500 inventory=since gen=0")
            try bench.load()
        }

        #expect(waits[9] >= 2_500)
    }

    @Test func `what an old connection still says is ignored`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        bench.receive(.lost(session: 1, reason: "gone"))
        bench.advanceTo(bench.link.deadline)
        #expect(bench.link.session == 2)

        #expect(bench.receive(.lost(session: 1, reason: "late")).isEmpty)
        #expect(bench.receive(.connected(session: 1)).isEmpty)
        let line = try bench.reply("OK next=1")
        #expect(
            bench.receive(.replied(session: 1, .heartbeat(sequence: 9), .success(line))).isEmpty)
        #expect(bench.receive(.loaded(session: 1, .success(nil))).isEmpty)
    }

    @Test func `a report that is refused for now is sent again after the pause`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        bench.store.put(try path("/A/a"), "x")
        bench.receive(.changed(generation: 1))
        let report = try #require(try bench.load().compactMap(\.report).first)

        #expect(bench.refuse(.report(report.batch, generation: 1), "busy", retry: 300).isEmpty)
        #expect(bench.receive(.changed(generation: 1)).isEmpty)
        #expect(bench.advance(299).isEmpty)
        #expect(bench.advance(1).texts == ["load changes 0"])
    }

    @Test func `exports that can not be read are tried again`() throws {
        var bench = try LinkBench()
        try bench.register("OK next=1000 suspect=2500 down=3500 inventory=full")

        bench.receive(.loaded(session: 1, .failure(RequestError(.io, "the disk failed"))))
        #expect(bench.actions.texts.isEmpty)
        bench.advanceTo(bench.link.deadline)

        #expect(bench.actions.texts == ["load inventory start"])
    }
}
