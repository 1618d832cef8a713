import DFSProtocol
import Testing

@Suite struct TagTests {
    @Test(arguments: ["@1", "@a", "@Z9", "@12345678", "@123456789", "@abcdefghijklmnop"])
    func `a tag of 1 to 16 letters or digits is kept`(written: String) throws {
        let tag = try #require(Tag(text: bytes(written)))

        #expect(text(tag.bytes) == written)
    }

    @Test(arguments: ["", "@", "7", "@abcdefghijklmnopq", "@a-b", "@a b", "@é", "@@", "@a\u{0}"])
    func `anything else is no tag`(written: String) {
        #expect(Tag(text: bytes(written)) == nil)
    }

    @Test func `tags differ where their letters do`() {
        #expect(Tag(text: bytes("@a")) != Tag(text: bytes("@A")))
        #expect(Tag(text: bytes("@1")) != Tag(text: bytes("@10")))
        #expect(Tag(text: bytes("@12345678")) != Tag(text: bytes("@123456780")))
    }

    @Test(arguments: [0, 7, 10, 12_345_678, 123_456_789, 9_999_999_999_999_999] as [UInt64])
    func `a number makes a tag`(number: UInt64) {
        #expect(text(Tag(number: number).bytes) == "@\(number)")
        #expect(Tag(text: bytes("@\(number)")) == Tag(number: number))
    }

    @Test func `a number of more than 16 digits still makes a tag`() {
        #expect(Tag(text: Tag(number: .max).bytes) != nil)
    }
}

@Suite struct EndpointTests {
    @Test(
        arguments: [
            ("127.0.0.1:7400", "127.0.0.1", 7400), ("localhost:0", "localhost", 0),
            ("[::1]:65535", "::1", 65535), ("fs1.example_x.org:1", "fs1.example_x.org", 1),
            ("[fe80::1%eth0]:7401", "fe80::1%eth0", 7401),
        ] as [(String, String, UInt16)])
    func `an address is host and port`(written: String, host: String, port: UInt16) throws {
        let endpoint = try Endpoint(written)

        #expect(endpoint == Endpoint(host: host, port: port))
        #expect(endpoint.description == written)
    }

    @Test(arguments: [
        "", ":", "host", "host:", ":7400", "host:65536", "host:-1", "host:07400", "host:x", "a b:1",
        "::1:7400", "[::1:7400", "::1]:7400", "[]:7400", "ho\nst:1", "host:7400 ", "é:1",
        "host:99999999999999999999",
    ])
    func `anything else is refused`(written: String) {
        let refused = refusal { () throws(RequestError) in _ = try Endpoint(written) }

        #expect(refused?.code == .badArgument)
    }

    @Test func `a list has commas between`() throws {
        #expect(try Endpoint.list("a:1,b:2") == [Endpoint("a:1"), Endpoint("b:2")])
        #expect(refusal { () throws(RequestError) in _ = try Endpoint.list("a:1,") } != nil)
        #expect(refusal { () throws(RequestError) in _ = try Endpoint.list("") } != nil)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.255.0.9", true), ("localhost", true), ("::1", true),
        ("127.evil.example.com", false), ("127.0.0.256", false), ("127.0.1", false),
        ("128.0.0.1", false), ("0.0.0.0", false), ("127..0.1", false), ("127.0.0.01", false),
    ])
    func `only addresses of this machine are loopback`(host: String, isLoopback: Bool) {
        #expect(Endpoint(host: host, port: 1).isLoopback == isLoopback)
    }

    @Test(arguments: [("0.0.0.0", true), ("::", true), ("*", true), ("10.0.0.1", false)])
    func `a wildcard is told apart`(host: String, isWildcard: Bool) {
        #expect(Endpoint(host: host, port: 1).isWildcard == isWildcard)
    }
}

@Suite struct FileModeTests {
    @Test(arguments: [("0000", 0), ("0644", 0o644), ("0777", 0o777)] as [(String, UInt16)])
    func `a mode is four octal digits`(written: String, bits: UInt16) throws {
        let mode = try FileMode(text: bytes(written))

        #expect(mode.bits == bits)
        #expect(text(mode.text) == written)
    }

    @Test(arguments: ["", "644", "00644", "0648", "0x1f", "rw-r", "-644"])
    func `anything else is refused`(written: String) {
        let refused = refusal { () throws(RequestError) in _ = try FileMode(text: bytes(written)) }

        #expect(refused?.code == .badArgument)
    }

    @Test(arguments: ["1000", "4755", "7777"])
    func `set-id and sticky bits are unsupported and not dropped`(written: String) {
        let refused = refusal { () throws(RequestError) in _ = try FileMode(text: bytes(written)) }

        #expect(refused?.code == .unsupported)
    }

    @Test func `what the system reports loses all but the permission bits`() {
        #expect(FileMode(bits: 0o104755).bits == 0o755)
    }
}

@Suite struct ServerIDTests {
    @Test(arguments: ["a", "fs1", "A.b-c_9", String(repeating: "x", count: 64)])
    func `an id is letters, digits, dots, dashes and underscores`(id: String) throws {
        #expect(try #require(ServerID(id)).description == id)
    }

    @Test(arguments: ["", "a b", "a/b", "é", "a\n", String(repeating: "x", count: 65)])
    func `anything else is no id`(id: String) {
        #expect(ServerID(id) == nil)
    }

    @Test func `ids are ordered bytewise`() throws {
        let ids = try ["B", "a", "fs10", "fs2"].map { try #require(ServerID($0)) }

        #expect(ids.reversed().sorted() == ids)
    }
}
