import Testing

@testable import DFSProtocol

@Suite struct LeaseTests {
    @Test(arguments: [
        ("conn", Lease.connection), ("1", .milliseconds(1)), ("30000", .milliseconds(30_000)),
        ("9223372036854775807", .milliseconds(.max)),
    ])
    func `a lease is read and written alike`(text: String, lease: Lease) throws {
        #expect(try Lease(text: bytes(text)) == lease)
        #expect(lease.text == text)
    }

    @Test(arguments: ["", "0", "-1", "01", "Conn", "1s", "9223372036854775808"])
    func `what is no lease is refused`(text: String) {
        let refused = refusal { () throws(RequestError) in _ = try Lease(text: bytes(text)) }

        #expect(refused != nil)
    }

    @Test(arguments: ["a", "0", "a-B_9.c:d", String(repeating: "x", count: 64)])
    func `a name of a change is kept as it is`(text: String) throws {
        #expect(try OperationID(bytes(text)).bytes == bytes(text))
    }

    @Test(arguments: ["", "a b", "a/b", "é", "a\n", String(repeating: "x", count: 65)])
    func `what is no name of a change is refused`(text: String) {
        let refused = refusal { () throws(RequestError) in _ = try OperationID(bytes(text)) }

        #expect(refused?.code == .badArgument)
    }
}
