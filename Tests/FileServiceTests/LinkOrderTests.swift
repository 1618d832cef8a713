import DFSProtocol
import Testing

@testable import FileService

@Suite struct LinkOrderTests {
    @Test func `an order is done, reported, and only then said to be done`() throws {
        var bench = try LinkBench()
        try bench.catchUp()

        let actions = try bench.notice("! remove op=17 path=/A/f recursive=yes")
        guard case .perform(let order, let session)? = actions.first else {
            Issue.record("no order")
            return
        }
        #expect(
            order == NameServerOrder(number: 17, kind: .remove(try path("/A/f"), recursive: true)))
        bench.store.put(try path("/A/f"), "x")
        #expect(bench.receive(.ordered(session: session, number: 17, nil, generation: 1)).isEmpty)
        #expect(bench.receive(.changed(generation: 1)).texts == ["load changes 0"])
        let report = try #require(try bench.load().compactMap(\.report).first)
        try bench.reply(.report(report.batch, generation: 1), "OK files=1")

        #expect(bench.actions.texts == ["acknowledged 1", "send done 17 "])
    }

    @Test(arguments: [false, true])
    func `an order that comes before the answer to REGISTER is done`(isFast: Bool) throws {
        var bench = try LinkBench()
        bench.receive(.started)
        bench.receive(.connected(session: bench.link.session))
        try bench.reply(.hello, "OK version=1 caps=push")

        let actions = try bench.notice("! remove op=17 path=/A/f")
        let ordered = LinkEvent.ordered(session: 1, number: 17, nil, generation: 0)
        if isFast { #expect(bench.receive(ordered).isEmpty) }
        try bench.reply(
            .register(generation: 0), "OK next=1000 suspect=2500 down=3500 inventory=since gen=0")
        let told = isFast ? bench.actions : bench.receive(ordered)

        guard case .perform(let order, session: 1)? = actions.first else {
            Issue.record("no order")
            return
        }
        #expect(order.number == 17)
        #expect(told.texts.last == "send done 17 ")
    }

    @Test(arguments: [("", ErrorCode.exists), (" replace=yes", nil)])
    func `a rename puts away what is at the target only where that was asked for`(
        option: String, refusal: ErrorCode?
    ) throws {
        let bench = try LinkBench()
        bench.store.put(try path("/A/from"), "x")
        bench.store.put(try path("/A/unseen"), "y")
        let line = try bench.reply("! rename op=1 from=/A/from to=/A/unseen\(option)")
        let order = try NameServerOrder(line)

        let result = Result { () throws(RequestError) in try order.perform(on: bench.store) }

        if case .failure(let error) = result {
            #expect(error.code == refusal)
        } else {
            #expect(refusal == nil)
        }
        #expect(bench.store.census().files == (refusal == nil ? 1 : 2))
    }

    @Test func `orders are done on the disk`() throws {
        let bench = try LinkBench()
        bench.store.put(try path("/A/a"), "x")
        bench.store.put(try path("/A/d/b"), "x")

        try NameServerOrder(try bench.reply("! rename op=1 from=/A/a to=/A/c"))
            .perform(on: bench.store)
        try NameServerOrder(try bench.reply("! remove op=2 path=/A/d recursive=yes"))
            .perform(on: bench.store)

        #expect(
            try bench.store.inventory(after: nil, limit: 9).reports.map(\.path) == [path("/A/c")])
    }

    @Test func `an order that failed says why`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        _ = try bench.notice("! rename op=3 from=/A/a to=/A/b")
        let refusal = RequestError(.notEmpty, "not empty")

        let actions = bench.receive(.ordered(session: 1, number: 3, refusal, generation: 0))

        #expect(actions.texts == ["send done 3 not-empty"])
    }

    @Test(arguments: [
        ("! remove op=4 path=/../x", ["send done 4 bad-name"]),
        ("! explode op=5", ["send done 5 unsupported"]), ("! remove path=/x", []), ("! hello", []),
    ])
    func `an order that is none is answered where it can be`(
        line: String, texts: [String]
    ) throws {
        var bench = try LinkBench()
        try bench.catchUp()

        #expect(try bench.notice(line).texts == texts)
    }

    @Test func `an order of a lost connection is not said to be done on the next one`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        _ = try bench.notice("! remove op=17 path=/A/f")
        bench.receive(.lost(session: 1, reason: "gone"))

        #expect(bench.receive(.ordered(session: 1, number: 17, nil, generation: 0)).isEmpty)
    }

    @Test func `an order during an inventory does not wait for its end`() throws {
        var bench = try LinkBench()
        try bench.register("OK next=1000 suspect=2500 down=3500 inventory=full")
        let report = try #require(try bench.load().compactMap(\.report).first)
        bench.receive(.ordered(session: 1, number: 8, nil, generation: 1))
        let more = ReportBatch(
            cut: report.batch.cut, data: [], count: 1, generation: nil, next: try path("/A/b"))

        #expect(
            try bench.reply(.report(more, generation: nil), "OK files=1").texts == ["send done 8 "])
    }

    @Test func `an order does not wait for the first load, which is done anew then`()
        throws
    {
        var bench = try LinkBench()
        try bench.register("OK next=1000 suspect=2500 down=3500 inventory=full")
        #expect(bench.actions.texts == ["load inventory start"])

        let done = bench.receive(.ordered(session: 1, number: 8, nil, generation: 1))
        #expect(done.texts == ["send done 8 "])
        // It may hold what DONE has told to be gone.
        #expect(try bench.load().isEmpty)
        let again = try bench.reply(.done(order: 8, error: nil), "OK")
        #expect(again.texts == ["load inventory start"])
        // That load another order waits for: a stream of them must not keep all from being told.
        let second = bench.receive(.ordered(session: 1, number: 9, nil, generation: 0))
        #expect(second.isEmpty)
        let report = try #require(try bench.load().compactMap(\.report).first)

        try bench.reply(.report(report.batch, generation: 0), "OK files=0")
        #expect(bench.actions.texts == ["acknowledged 0", "send done 9 "])
        #expect(try bench.reply(.done(order: 9, error: nil), "OK").texts == ["caught up"])
    }

    @Test func `an order waits for a later page that is being loaded, and for its report`() throws {
        var bench = try LinkBench()
        try bench.register("OK next=1000 suspect=2500 down=3500 inventory=full")
        let first = try #require(try bench.load().compactMap(\.report).first)
        let more = ReportBatch(
            cut: first.batch.cut, data: [], count: 1, generation: nil, next: try path("/A/b"))
        #expect(
            try bench.reply(.report(more, generation: nil), "OK files=1").texts
                == ["load inventory /A/b"])

        let done = bench.receive(.ordered(session: 1, number: 8, nil, generation: 1))
        let report = try #require(try bench.load().compactMap(\.report).first)
        let last = ReportBatch(
            cut: report.batch.cut, data: [], count: 1, generation: nil, next: try path("/A/c"))
        let told = try bench.reply(.report(last, generation: nil), "OK files=1")

        #expect(done.isEmpty)
        #expect(told.texts == ["send done 8 "])
    }

    @Test func `an order that is given again on the same connection is done once`() throws {
        var bench = try LinkBench()
        try bench.catchUp()

        let first = try bench.notice("! rename op=3 from=/A/a to=/A/b")
        let again = try bench.notice("! rename op=3 from=/A/a to=/A/b fid=7")
        let other = try bench.notice("! rename op=4 from=/A/b to=/A/a fid=7")

        #expect(first.count == 1 && again.isEmpty && other.count == 1)
    }

    @Test func `a planned stop tells what is untold, says goodbye and ends`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        bench.store.put(try path("/A/a"), "x")
        bench.receive(.changed(generation: 1))
        #expect(bench.receive(.stopping).isEmpty)
        let report = try #require(
            bench.afterLoad(try ReportBatch.load(.changes(after: 0), from: bench.store)))
        try bench.reply(.report(report.batch, generation: 1), "OK files=1")

        #expect(bench.actions.texts == ["acknowledged 1", "send goodbye"])
        #expect(try bench.reply(.goodbye(isAway: false), "OK").texts == ["disconnect", "stopped"])
        #expect(bench.link.deadline == nil)
    }

    @Test func `where nothing is left to serve the link takes leave until something is back`()
        throws
    {
        var bench = try LinkBench()
        try bench.catchUp()

        #expect(bench.receive(.away(true)).texts.last == "send goodbye away")
        #expect(bench.receive(.away(true)).isEmpty)
        #expect(
            try bench.reply(.goodbye(isAway: true), "OK").texts == ["disconnect", "unreachable"])
        #expect(bench.link.deadline == nil)
        #expect(bench.receive(.changed(generation: 1)).isEmpty)

        #expect(bench.receive(.away(false)).texts == ["connect 7400"])
    }

    @Test func `what is back before the goodbye was answered registers then`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        bench.receive(.away(true))

        #expect(bench.receive(.away(false)).isEmpty)

        #expect(
            try bench.reply(.goodbye(isAway: true), "OK").texts == [
                "disconnect", "unreachable", "connect 7400",
            ])
    }

    @Test func `a goodbye that is not answered is as good`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        bench.receive(.away(true))

        _ = bench.advance(1_000)

        #expect(bench.link.deadline == nil)
        #expect(bench.receive(.away(false)).texts == ["connect 7400"])
    }

    @Test func `a link that looks for a name server stops while nothing is there to serve`() throws
    {
        var bench = try LinkBench()
        bench.receive(.started)

        #expect(bench.receive(.away(true)).texts == ["disconnect", "unreachable"])
        #expect(bench.receive(.connected(session: bench.link.session)).isEmpty)
        #expect(bench.receive(.stopping).texts == ["stopped"])
    }

    @Test func `a name server that does not take the last changes still hears goodbye`() throws {
        var bench = try LinkBench()
        try bench.catchUp()
        bench.store.put(try path("/A/a"), "x")
        bench.receive(.changed(generation: 1))
        try bench.load()

        #expect(bench.receive(.stopping).isEmpty)
        #expect(!bench.advance(1_999).texts.contains("send goodbye"))
        #expect(bench.advance(1).texts == ["send goodbye"])
        // A beat that is due no more keeps no timer firing.
        #expect(bench.link.deadline == bench.now.advanced(milliseconds: 1_000))
        #expect(bench.advance(999).isEmpty)
        #expect(bench.advance(1).texts.contains("stopped"))
    }

    @Test func `a stop does not wait for an inventory`() throws {
        var bench = try LinkBench()
        try bench.register("OK next=1000 suspect=2500 down=3500 inventory=full")

        #expect(bench.receive(.stopping).texts == ["send goodbye"])
        #expect(try bench.reply(.goodbye(isAway: false), "OK").texts == ["disconnect", "stopped"])
        #expect(try bench.load().isEmpty)
    }

    @Test func `a stop without a name server is immediate`() throws {
        var bench = try LinkBench()
        bench.receive(.started)

        #expect(bench.receive(.stopping).texts == ["disconnect", "stopped"])
        #expect(bench.receive(.lost(session: 1, reason: "late")).isEmpty)
    }
}
