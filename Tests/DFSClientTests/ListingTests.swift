import DFSClient
import DFSProtocol
import Testing

@Suite struct ListingTests {
    @Test func `pages follow each other until the server says that there are no more`() async throws
    {
        let names = try await withClient { line, _ in
            switch line {
            case "LIST /":
                .send("* file name=a size=1\n* dir name=b\nOK count=2 more=yes after=b\n")
            case "LIST / after=b": .send("* file name=c size=3 server=m1 state=down\nOK count=1\n")
            default: .hangUp
            }
        } _: { client, _ in
            try await client.list(.root).all()
        }

        #expect(names.map { $0.path.description } == ["/a", "/b", "/c"])
        #expect(names.map(\.isAvailable) == [true, true, false])
    }

    @Test(arguments: [
        "* file name=.. size=1\nOK count=1\n",
        "* file name=a/b size=1\nOK count=1\n",
        "* file name=\"\" size=1\nOK count=1\n",
        "* file name=\"a\\x00b\" size=1\nOK count=1\n",
        "* file name=.dfs-secret size=1\nOK count=1\n",
        "* file size=1\nOK count=1\n",
        "* file name=a size=-1\nOK count=1\n",
        "* file name=a size=9223372036854775808\nOK count=1\n",
        "* file name=a mtime=yesterday\nOK count=1\n",
        "* file name=a mode=77777\nOK count=1\n",
        "* file name=b\n* file name=a\nOK count=2\n",
        "* file name=a\n* file name=a\nOK count=2\n",
        "OK count=0 more=yes after=a\n",
    ])
    func `a listing that can not be right is a violation`(answer: String) async throws {
        let failure = try await withClient { _, _ in
            .send(answer)
        } _: { client, _ in
            await refusal { _ = try await client.list(.root).all() }
        }

        #expect(failure?.code == "protocol-violation")
        #expect(failure?.category == .integrity)
    }

    @Test func `a server that repeats its page for ever is found out at the second one`()
        async throws
    {
        let (failure, lines) = try await withClient { _, _ in
            .send("* file name=a\nOK count=1 more=yes after=a\n")
        } _: { client, server in
            (await refusal { _ = try await client.list(.root).all() }, server.lines)
        }

        #expect(failure?.code == "protocol-violation")
        #expect(lines == ["LIST /", "LIST / after=a"])
    }

    @Test(arguments: ["/b/x", "/a", "/", "/ab"])
    func `a search never leads out of where it was asked for`(path: String) async throws {
        let failure = try await withClient { _, _ in
            .send("* file path=\(path) size=1\nOK count=1\n")
        } _: { client, _ in
            await refusal { _ = try await client.find(TreePath("/a")).all() }
        }

        #expect(failure?.code == "protocol-violation")
    }

    @Test func `names with a newline and with bytes that are no text come through`() async throws {
        let names = try await withClient { _, _ in
            .send("* file name=\"a\\nb\"\n* file name=\"\\xff{5}\"\nOK count=2\n")
        } _: { client, _ in
            try await client.list(.root).all().map(\.name)
        }

        #expect(names == [[0x61, 0x0A, 0x62], [0xFF, 0x7B, 0x35, 0x7D]])
    }

    @Test func `an item that fails midway voids the page`() async throws {
        let failure = try await withClient { _, _ in
            .send("* file name=a\nERR internal path=/ \"a disk broke\"\n")
        } _: { client, _ in
            await refusal { _ = try await client.list(.root).all() }
        }

        #expect(failure?.known == .internal)
        #expect(failure?.category == .failed)
    }

    @Test func `entries of kinds that a later version has are passed over`() async throws {
        let names = try await withClient { line, _ in
            line.contains("after=")
                ? .send("* file name=c size=1 server=m1\nOK\n")
                : .send(
                    "* file name=a size=1 server=m1\n* link name=b to=/c\nOK more=yes\n")
        } _: { client, _ in
            try await client.list(.root).all().map { String(decoding: $0.name, as: UTF8.self) }
        }

        #expect(names == ["a", "c"])
    }

    @Test func `more entries than were asked for are a violation`() async throws {
        let failure = try await withClient { _, _ in
            .send("* dir name=a\n* dir name=b\n* dir name=c\nOK\n")
        } _: { client, _ in
            await refusal { _ = try await client.list(.root, pageLimit: 2).all() }
        }

        #expect(failure?.code == "protocol-violation")
    }
}
