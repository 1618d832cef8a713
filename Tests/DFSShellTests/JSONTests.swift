import DFSClient
import DFSProtocol
import Synchronization
import Testing

@testable import DFSShell

/// What `--json` prints.
@Suite struct JSONTests {
    private func text(_ value: JSONValue) -> String {
        var line: [UInt8] = []
        value.write(to: &line)
        return String(decoding: line, as: UTF8.self)
    }

    @Test func `keys stay in their order, and one that is set anew at its place`() {
        var object: JSONObject = ["b": 1, "a": "x", "c": nil]
        object["b"] = 2
        object["a"] = nil

        #expect(String(decoding: object.line, as: UTF8.self) == "{\"b\":2,\"c\":null}\n")
    }

    @Test func `no text leaves its quotation marks or reaches a terminal as more than text`() {
        let text = text(.text("\"\\\n\t\r\u{1B}[2J\u{7F}\u{9B}\u{202E}\u{2028}\u{E0001}é😀"))

        #expect(
            text == #""\"\\\n\t\r\u001b[2J\u007f\u009b\u202e\u2028\udb40\udc01é😀""#)
    }

    @Test(arguments: [
        ([], "\"\""), ([0x2F, 0xC3, 0xA9], "\"/é\""), ([0xFF], #"{"base64":"/w=="}"#),
        ([0xFF, 0], #"{"base64":"/wA="}"#), ([0xFF, 0, 0x3E], #"{"base64":"/wA+"}"#),
        ([0xFF, 0, 0x3E, 0x10], #"{"base64":"/wA+EA=="}"#),
    ])
    func `bytes that are no text are told without loss`(bytes: [UInt8], shown: String) {
        #expect(text(.bytes(bytes)) == shown)
    }

    /// What an output got.
    private final class Screen: Sendable {
        private let bytes = Mutex<[UInt8]>([])

        func take(_ more: [UInt8]) -> Bool {
            bytes.withLock { $0 += more }
            return true
        }

        var lines: [String] {
            bytes.withLock { String(decoding: $0, as: UTF8.self) }
                .split(separator: "\n").map(String.init)
        }
    }

    @Test func `a character that two pieces share is not torn, and a file's end ends it`()
        async throws
    {
        let screen = Screen()
        let output = ShellOutput(results: screen.take, complaints: screen.take, isJSON: true)
        let paths = try ["/a", "/b"].map { try TreePath([UInt8]($0.utf8)) }

        try await output.content([0x78, 0xC3], of: paths[0])
        try await output.content([0xA9], of: paths[0])
        try await output.content([0xC3], of: paths[0])
        try await output.content([0xA9], of: paths[1])
        _ = await output.settle()

        #expect(
            screen.lines == [
                #"{"path":"/a","data":"x"}"#, #"{"path":"/a","data":"é"}"#,
                #"{"path":"/a","data":{"base64":"ww=="}}"#,
                #"{"path":"/b","data":{"base64":"qQ=="}}"#,
            ])
    }

    @Test(
        arguments: [
            ([0x61, 0xFF], #"{"base64":"Yf8="}"#), ([0xFF, 0xC3], #"{"base64":"/8M="}"#),
            ([0x61, 0xF5], #"{"base64":"YfU="}"#), ([0x61, 0xC1], #"{"base64":"YcE="}"#),
            ([0x61, 0xE0, 0x80], #"{"base64":"YeCA"}"#),
            ([0x61, 0xED, 0xA0], #"{"base64":"Ye2g"}"#),
        ] as [([UInt8], String)])
    func `a piece that can become no text is one object`(piece: [UInt8], data: String) async throws
    {
        let screen = Screen()
        let output = ShellOutput(results: screen.take, complaints: screen.take, isJSON: true)

        try await output.content(piece, of: .root)
        _ = await output.settle()

        #expect(screen.lines == [#"{"path":"/","data":\#(data)}"#])
    }

    @Test func `every line is JSON, also of a command that does not know of it`() async throws {
        let screen = Screen()
        let output = ShellOutput(
            results: screen.take, complaints: screen.take, isTerminal: true, isErrorTerminal: true,
            isOneStream: true, isJSON: true)
        var error = DFSError(.locked, path: .root, "taken")
        error.retryMilliseconds = 5

        output.line("plain")
        output.line("size=1", as: ["size": 1])
        output.complain("just so")
        output.complain("no", .usage)
        output.complain("taken", nil, error)
        _ = await output.settle()

        #expect(!output.isTerminal && !output.isErrorTerminal)
        #expect(
            screen.lines == [
                #"{"text":"plain"}"#, #"{"size":1}"#, #"{"note":"just so"}"#,
                #"{"error":"usage","exit":2,"message":"no"}"#,
                #"{"error":"locked","exit":5,"message":"taken","path":"/","retry":5}"#,
            ])
    }
}
