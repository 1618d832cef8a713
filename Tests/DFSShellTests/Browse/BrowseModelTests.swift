import DFSProtocol
import Testing

@testable import DFSClient
@testable import DFSShell

/// What keys and answers make of the tree, without terminal and network.
@Suite struct BrowseModelTests {
    private static func path(_ text: String) throws -> TreePath { try TreePath([UInt8](text.utf8)) }

    private static func entry(
        _ text: String, _ kind: Entry.Kind = .file, on server: String = "m1",
        _ state: ServerState = .up
    ) throws -> Entry {
        Entry(
            path: try path(text), kind: kind, size: 6, modified: nil, mode: nil,
            server: kind == .file ? ServerID(server) : nil, state: state, conflicts: [])
    }

    private static func server(
        _ name: String, _ state: ServerState = .up, silent: Int64 = 0
    ) throws -> ServerInfo {
        ServerInfo(
            id: try #require(ServerID(name)), address: nil, state: state, isAway: false,
            isStillTelling: false,
            seenMilliseconds: silent, files: 1, bytes: 6, free: nil, mounts: [.root], epoch: 1)
    }

    /// The top with a directory and two files, as after the first answer.
    private static func model(columns: Int = 80, height: Int = 24) throws -> BrowseModel {
        var model = BrowseModel(top: .root, columns: columns, height: height)
        #expect(model.start() == [.list(.root)])
        #expect(
            model.listed(
                .root,
                [try entry("/a.txt"), try entry("/dir", .directory), try entry("/z.txt")]) == [])
        return model
    }

    private func body(_ model: BrowseModel) -> [String] {
        model.screen().dropFirst().dropLast().map { row in
            var text = row.text[...]
            while text.last == " " { text.removeLast() }
            return String(text)
        }.filter { !$0.isEmpty }
    }

    @Test func `the tree opens and closes by its keys, and asks for what it does not know`() throws
    {
        var model = try Self.model()
        let directory = try Self.path("/dir")

        #expect(body(model) == ["   a.txt", " + dir/", "   z.txt"])
        #expect(model.press(.down) == [])
        #expect(model.press(.character("l")) == [.list(directory)])
        #expect(body(model) == ["   a.txt", " - dir/", "     (asking ...)", "   z.txt"])

        #expect(model.listed(directory, [try Self.entry("/dir/deep.txt")]) == [])
        #expect(model.press(.right) == [])
        #expect(model.current?.path == (try Self.path("/dir/deep.txt")))
        #expect(model.press(.enter) == [.open(try Self.path("/dir/deep.txt"))])

        #expect(model.press(.left) == [] && model.current?.path == directory)
        #expect(model.press(.character("h")) == [])
        #expect(body(model) == ["   a.txt", " + dir/", "   z.txt"])
    }

    @Test func `the cursor keeps to its name while others come and go`() throws {
        var model = try Self.model()
        _ = model.press(.end)
        #expect(model.current?.path == (try Self.path("/z.txt")))

        _ = model.listed(.root, [try Self.entry("/b.txt"), try Self.entry("/z.txt")])
        #expect(model.current?.path == (try Self.path("/z.txt")))

        _ = model.listed(.root, [try Self.entry("/b.txt")])
        #expect(model.current?.path == (try Self.path("/b.txt")))
        _ = model.listed(.root, [])
        #expect(body(model) == ["   (empty)"])
        #expect(model.press(.enter) == [] && model.press(.character("g")) == [])
    }

    @Test func `what can not be had is dim with its reason, and is not opened`() throws {
        var model = try Self.model()
        let answer = [
            try Self.entry("/a.txt", .file, on: "m1", .down), try Self.entry("/dir", .directory),
        ]
        #expect(model.heard([try Self.server("m1")]) == [.list(.root, atLeast: 3)])
        #expect(model.listed(.root, answer) == [])
        #expect(model.heard([try Self.server("m1", silent: 500)]) == [])

        #expect(
            model.heard([try Self.server("m1", .down, silent: 4000)])
                == [.list(.root, atLeast: 2)])
        #expect(model.listed(.root, answer) == [])

        #expect(body(model)[0] == "   a.txt  (server-down: m1, silent for 4 s)")
        let row = model.screen()[1]
        #expect(row.spans.allSatisfy { $0.style == .dimReverse })
        _ = model.press(.down)
        #expect(model.screen()[1].spans.allSatisfy { $0.style == .dim })
        _ = model.press(.up)
        #expect(model.press(.enter) == [])
        #expect(model.screen().last?.text.contains("/a.txt can not be had now") == true)
        #expect(model.screen()[0].text.contains("0 servers up, m1 down"))
    }

    @Test func `a name server that is away is told, and all is asked anew when it is back`() throws
    {
        var model = try Self.model()
        #expect(model.heard([try Self.server("m1")]) == [.list(.root, atLeast: 3)])
        #expect(model.notListed(.root, "no answer") == [])

        model.notHeard("it does not answer")
        #expect(model.screen()[0].text.contains("no name server: it does not answer"))

        #expect(model.heard([try Self.server("m1")]) == [.list(.root, atLeast: 3)])
        #expect(!model.screen()[0].text.contains("no name server"))
    }

    @Test func `a directory that can not be listed says why, and one that was known stays`() throws
    {
        var model = try Self.model()
        let directory = try Self.path("/dir")
        _ = model.press(.down)
        _ = model.press(.right)

        #expect(model.notListed(directory, "not found") == [])
        #expect(body(model).contains("     (not found)"))
        #expect(model.notListed(.root, "no answer") == [])

        #expect(body(model).contains("   a.txt"))
        #expect(model.screen().last?.text.contains("no answer") == true)
    }

    @Test func `space marks, and g gets what is marked, or what is under the cursor`() throws {
        var model = try Self.model()
        #expect(model.press(.character("g")) == [.get([try Self.path("/a.txt")])])

        _ = model.press(.character(" "))
        _ = model.press(.character(" "))
        #expect(body(model).prefix(2) == ["*  a.txt", "*+ dir/"])
        #expect(
            model.press(.character("g"))
                == [.get([try Self.path("/a.txt"), try Self.path("/dir")])])
        _ = model.listed(.root, [try Self.entry("/dir", .directory)])
        #expect(model.marked == [try Self.path("/dir")])
        model.unmark()
        #expect(model.marked.isEmpty)
    }

    @Test func `a search opens what is above a name, and n and N go round`() throws {
        var model = try Self.model()
        let directory = try Self.path("/dir")
        let deep = try Self.path("/dir/x1")

        _ = model.press(.character("/"))
        for letter in ["q", "x"] { #expect(model.press(.character(letter)) == []) }
        _ = model.press(.backspace)
        _ = model.press(.backspace)
        _ = model.press(.character("x"))
        #expect(model.screen().last?.text == "/x")
        #expect(model.press(.enter) == [.find("x")])

        #expect(model.found([deep, try Self.path("/z.txt")], for: "x") == [.list(directory)])
        _ = model.listed(directory, [try Self.entry("/dir/x1"), try Self.entry("/dir/y")])
        #expect(model.current?.path == deep)
        _ = model.press(.character("n"))
        #expect(model.current?.path == (try Self.path("/z.txt")))
        _ = model.press(.character("n"))
        #expect(model.current?.path == deep)
        _ = model.press(.character("N"))
        #expect(model.current?.path == (try Self.path("/z.txt")))
        #expect(model.found([], for: "no\u{1B}") == [])
        #expect(model.screen().last?.text.contains("\"no\\x1b\"") == true)
    }

    @Test func `what changes while a directory is listed is asked for once more after`() throws {
        var model = BrowseModel(top: .root, columns: 80, height: 24)
        _ = model.start()

        #expect(model.heard([try Self.server("m1")], changes: 1) == [])
        #expect(model.press(.character("r")) == [])
        #expect(model.listed(.root, [try Self.entry("/a")]) == [.list(.root)])
        #expect(model.listed(.root, [try Self.entry("/a")]) == [])
        // A new name of a directory changes no server; the number of the last change tells it.
        #expect(model.heard([try Self.server("m1")], changes: 2, mayList: false) == [])
        #expect(model.heard([try Self.server("m1")], changes: 2) == [.list(.root)])
    }

    @Test func `names are asked for when they come into sight, on the way to one, or to the end`()
        throws
    {
        var model = BrowseModel(top: .root, columns: 20, height: 7)
        _ = model.start()
        func names(_ range: Range<Int>) throws -> [Entry] {
            try range.map { try Self.entry("/f\($0)") }
        }
        _ = model.listed(.root, try names(100..<120), isWhole: false)

        #expect(model.needs() == [])
        for _ in 0..<3 { _ = model.press(.pageDown) }
        #expect(model.needs() == [.more(.root)])
        #expect(model.needs() == [])
        _ = model.listed(.root, try names(120..<140), isWhole: false, continues: true)
        #expect(model.rows.count == 41 && model.needs() == [])

        #expect(model.press(.character("G")) == [] && model.needs() == [.more(.root)])
        #expect(body(model).last == "   (more names)")
        // Nobody is asked again and again who can not answer; a key asks anew.
        #expect(model.notListed(.root, "no answer") == [] && model.needs() == [])
        #expect(model.screen().last?.text == "no answer")
        #expect(model.press(.character("G")) == [] && model.needs() == [.more(.root)])
        _ = model.listed(.root, try names(140..<150), isWhole: false, continues: true)
        #expect(model.needs() == [.more(.root)])
        _ = model.listed(.root, try names(150..<160), isWhole: true, continues: true)
        #expect(model.current?.path == (try Self.path("/f159")) && model.needs() == [])

        _ = model.press(.home)
        #expect(model.press(.character("r")) == [.list(.root, atLeast: 60)])
        _ = model.listed(.root, try names(100..<110), isWhole: false)
        let last = try Self.path("/f159")
        #expect(model.found([last], for: "9") == [] && model.needs() == [.more(.root)])
        _ = model.listed(.root, try names(110..<160), isWhole: true, continues: true)
        #expect(model.current?.path == last && model.needs() == [])
    }

    @Test func `who waits at the end of what is known goes on with the next name`() throws {
        var model = BrowseModel(top: .root, columns: 20, height: 7)
        _ = model.start()
        _ = model.listed(.root, [try Self.entry("/a"), try Self.entry("/b")], isWhole: false)
        for _ in 0..<5 { _ = model.press(.down) }
        #expect(model.current?.isRest == true && model.press(.enter) == [])

        #expect(model.needs() == [.more(.root)])
        _ = model.listed(.root, [try Self.entry("/c")], isWhole: true, continues: true)

        #expect(model.current?.path == (try Self.path("/c")))
    }

    @Test func `marks of names that are not asked for yet stay`() throws {
        var model = try Self.model()
        for _ in 0..<3 { _ = model.press(.character(" ")) }

        _ = model.listed(.root, [try Self.entry("/dir", .directory)], isWhole: false)
        #expect(model.marked == [try Self.path("/dir"), try Self.path("/z.txt")])
        _ = model.listed(.root, [], isWhole: true, continues: true)

        #expect(model.marked == [try Self.path("/dir")])
    }

    @Test func `a long list scrolls, and the cursor is always in sight`() throws {
        var model = BrowseModel(top: .root, columns: 20, height: 7)
        _ = model.start()
        _ = model.listed(.root, try (10..<40).map { try Self.entry("/f\($0)") })

        #expect(body(model) == ["   f10", "   f11", "   f12", "   f13", "   f14"])
        _ = model.press(.pageDown)
        #expect(body(model).contains("   f15"))
        _ = model.press(.end)
        #expect(body(model) == ["   f35", "   f36", "   f37", "   f38", "   f39"])
        model.resize(columns: 20, height: 4)
        #expect(body(model) == ["   f38", "   f39"])
        _ = model.press(.home)
        #expect(body(model) == ["   f10", "   f11"])
    }

    @Test(arguments: [1, 2, 3, 5, 10, 24, 80], [1, 2, 3, 4, 10, 24])
    func `no row is wider than the screen and no screen has more rows`(
        columns: Int, height: Int
    ) throws {
        var model = BrowseModel(top: .root, columns: columns, height: height)
        _ = model.start()
        let names = ["/日本語のとても長い名前です.txt", "/e\u{301}e\u{301}e\u{301}", "/plain name"]
        _ = model.listed(.root, try names.sorted().map { try Self.entry($0) })

        for key in [BrowseKey.down, .character("?"), .escape, .character("/"), .character("日")] {
            _ = model.press(key)
            let rows = model.screen()
            #expect(rows.count == max(1, height))
            #expect(rows.allSatisfy { CellRow.width(of: $0.text) <= columns })
        }
    }

    @Test func `a name never brings a control byte to the screen`() throws {
        var model = BrowseModel(top: .root, columns: 80, height: 24)
        _ = model.start()
        let name = [UInt8]("/a\u{1B}[2J\nb\u{202E}".utf8) + [0xFF]
        let entry = Entry(
            path: try TreePath(name), kind: .file, size: 0, modified: nil, mode: nil,
            server: ServerID("m1"), state: .up, conflicts: [])
        _ = model.listed(.root, [entry])

        for row in model.screen() {
            #expect(row.text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
            #expect(!row.text.unicodeScalars.contains("\u{202E}"))
        }
        #expect(body(model)[0].contains("\\x1b[2J\\n"))
    }

    @Test func `keys of the whole screen are the same in every mode`() throws {
        for prefix in [[], [BrowseKey.character("/")], [.character("?")]] {
            var model = try Self.model()
            for key in prefix { _ = model.press(key) }
            #expect(model.press(.control("l")) == [.repaint])
            #expect(model.press(.control("z")) == [.stop])
            #expect(model.press(.control("c")) == [.quit])
        }
        var model = try Self.model()
        #expect(model.press(.character("q")) == [.quit] && model.press(.escape) == [.quit])
        #expect(model.press(.character("r")) == [.list(.root, atLeast: 3)])
        _ = model.press(.character("?"))
        #expect(body(model).contains { $0.contains("Space") })
        #expect(model.press(.character("q")) == [] && model.mode == .tree)
    }
}
