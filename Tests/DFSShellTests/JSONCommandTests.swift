import TestCluster
import Testing

@testable import DFSShell

/// That `--json` reaches every command: what has results tells them as objects with keys.
@Suite struct JSONCommandTests {
    /// A line for each row of the table, and the first key of what it prints; nil where that is
    /// nothing.
    private static let calls: [String: (line: String, key: String?)] = [
        "ls": ("ls /", "path"), "find": ("find /", "path"), "tree": ("tree /", "path"),
        "du": ("du /", "path"), "cat": ("cat /a", "path"), "digest": ("digest /a", "path"),
        "stat": ("stat /a", "path"), "head": ("head /a", "path"), "less": ("less /a", "path"),
        "open": ("open /a", "path"), "edit": ("edit /a", nil), "mkdir": ("mkdir /new", nil),
        "rm": ("rm /gone", nil), "rmdir": ("rmdir /empty", nil), "mv": ("mv /b /c", nil),
        "get": ("get /a here", "done"), "reget": ("reget /a here", "done"),
        "mget": ("mget -O d /a", "done"), "put": ("put a /p1", "done"),
        "reput": ("reput a /p2", "done"), "mput": ("mput -O /d a", "done"),
        "cp": ("cp --dry-run /a /p3", "would"), "mirror": ("mirror --dry-run /d e", "would"),
        "tail": ("tail /a", "path"), "locate": ("locate /a", "path"),
        "servers": ("servers", "server"), "status": ("status", "role"),
        "wire": ("wire fs1", "mark"), "explain": ("explain /a", "path"),
        "browse": ("browse", nil), "session": ("session open /a; session", "here"),
        "session open": ("session open /a", "here"),
        "session read": ("session open /a > n; read h1 0 3", "path"),
        "session write": ("session open /a rw > n; write h1 0 x", "bytes"),
        "session append": ("session open /a rw > n; session append h1 x", "bytes"),
        "session truncate": ("session open /a rw > n; session truncate h1 1", "size"),
        "session sync": ("session open /a rw > n; session sync h1", "version"),
        "session renew": ("session open --lease 9000 /a > n; session renew h1", "lease"),
        "session resume": ("session resume s0 00 fs1", nil),
        "session follow": ("session follow h9", nil),
        "session close": ("session open /a > n; close h1", "size"),
        "handles": ("session open /a > n; handles", "server"),
        "session kill": ("session open /a > n; kill h1", nil), "cd": ("cd /d; cd -", "path"),
        "pwd": ("pwd", "path"), "lcd": ("lcd d", nil), "lls": ("lls d", "name"),
        "lpwd": ("lpwd", "path"), "!": ("!true", nil), "help": ("help ls", "command"),
        "echo": ("echo a", "text"), "history": ("history", nil), "quit": ("quit", nil),
        "time": ("time pwd", "path"), "watch": ("watch -c 1 pwd", "path"),
        "sleep": ("sleep 0", nil), "source": ("source script", "path"),
        "set": ("set timing", "setting"), "unset": ("unset timing", nil),
        "alias": ("alias x pwd; alias", "alias"), "unalias": ("alias x pwd; unalias x", nil),
        "jobs": ("sleep 60 & jobs; kill %1", "job"), "wait": ("pwd & wait", "path"),
        "completion": ("completion bash", "text"), "man": ("man", "text"),
    ]

    @Test func `every command has a line here`() {
        #expect(Set(CommandTable.rows.map(\.name)) == Set(JSONCommandTests.calls.keys))
    }

    @Test func `no command with results prints a line that is no object with keys of its own`()
        throws
    {
        let cluster = try Cluster()
        try cluster.startNameServer()
        try cluster.startFileServer(
            "fs1",
            files: ["a": "one\ntwo\n", "b": "x", "gone": "x", "d/a": "y"])
        _ = try cluster.shell(["mkdir", "/empty"])
        let folder = "\(cluster.folder)/local"
        for (name, text) in [("a", "x"), ("d/x", "x"), ("script", "pwd\n")] {
            try FileSystem.write(text, to: "\(folder)/\(name)")
        }

        for (name, call) in JSONCommandTests.calls.sorted(by: { $0.key < $1.key }) {
            let run = try cluster.shell(
                ["--json", "-c", call.line], environment: ["EDITOR=true", "VISUAL="],
                folder: folder)
            let lines = run.output.split(separator: "\n")
            let errors = run.errors.split(separator: "\n")

            #expect(lines.isEmpty == (call.key == nil), "\(name): \(run.output)\(run.errors)")
            for line in lines + errors {
                #expect(line.hasPrefix("{\"") && line.hasSuffix("}"), "\(name): \(line)")
            }
            for line in lines {
                let key = line.dropFirst(2).prefix { $0 != "\"" }
                let isText = key == "text" && call.key != "text"
                #expect(!isText, "\(name): \(line)")
            }
            if let key = call.key {
                #expect(run.output.hasPrefix("{\"\(key)\":"), "\(name): \(run.output)")
            }
        }
    }
}
