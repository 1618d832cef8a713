import TestCluster
import Testing

/// The completion files that packages install, in the shells that they are for.
@Suite(.serialized)
struct CompletionFileTests {
    private func fixture() throws -> TerminalFixture {
        try TerminalFixture(files: [
            ([UInt8]("docs/a.txt".utf8), [UInt8]("a\n".utf8)),
            ([UInt8]("docs/two words".utf8), [UInt8]("b\n".utf8)),
            ([UInt8]("docs/at:10:30".utf8), [UInt8]("c\n".utf8)),
            ([UInt8]("docs/it's; $(x)".utf8), [UInt8]("e\n".utf8)),
            ([UInt8]("docs/no!bang".utf8), [UInt8]("f\n".utf8)),
            ([UInt8]("docs/bad\u{1B}[2J".utf8), [UInt8]("d\n".utf8)),
        ])
    }

    /// Writes the files as a shell installs them, each under a name.
    ///
    /// - Returns: The folder that they are in.
    private func install(
        for shell: String, _ fixture: TerminalFixture, as name: (Executable) -> String
    ) throws -> String {
        let folder = "\(fixture.cluster.folder)/completions"
        try FileSystem.makeFolders(folder)
        for program in [Executable.shell, .nameServer, .fileServer] {
            let words =
                program == .shell
                ? ["completion", shell] : ["--generate-completion-script", shell]
            let run = try ShellRun(
                try program.path, words, environment: try fixture.cluster.environment,
                scratch: fixture.cluster.folder)
            #expect(run.exitCode == 0 && run.errors == "", "\(run.errors)")
            try FileSystem.write(run.outputBytes, to: [UInt8]("\(folder)/\(name(program))".utf8))
        }
        return folder
    }

    private func open(
        _ shell: [String], _ fixture: TerminalFixture, setUp: String
    ) throws -> Terminal {
        let path = "PATH=\(try Executable.folder):/usr/bin:/bin"
        let terminal = try fixture.open(
            program: "/usr/bin/env", [path, "PS1=sh: "] + shell, columns: 120)
        try terminal.waitForLine("sh:")
        try terminal.type(setUp + "; clear; PS1='ready: '\r")
        try terminal.waitForLine("ready:")
        return terminal
    }

    /// Types a line that ends in Tab, and expects what the shell makes of it.
    private func expect(_ line: String, _ whole: String, _ terminal: Terminal) throws {
        // The mark behind it shows that the shell is done, also where it has found nothing.
        try terminal.type(line + "\t#")
        try terminal.waitUntil("ready: \(whole)#") { screen in
            ["ready: \(whole)#", "ready: \(whole) #"].contains(screen.line)
        }
        try terminal.type("\u{15}")
        try terminal.waitForLine("ready:")
    }

    private static let lines = [
        ("dfsh hea", "dfsh head"), ("dfsh session ren", "dfsh session renew"),
        ("dfsh --keep", "dfsh --keep-going"), ("dfsh ls /do", "dfsh ls /docs/"),
        ("dfsh cat /docs/tw", #"dfsh cat /docs/two\ words"#),
        ("dfsh cat /docs/b", "dfsh cat /docs/b"),
        ("dfs-fileserver --stand", "dfs-fileserver --standalone"),
        ("dfs-nameserver --cat", "dfs-nameserver --catalogue"),
        ("dfs-nameserver --catalogue ", "dfs-nameserver --catalogue sqlite"),
    ]

    @Test func `bash completes commands, options and names of the tree`() throws {
        let fixture = try fixture()
        let folder = try install(for: "bash", fixture) { $0.rawValue }

        let terminal = try open(
            ["/bin/bash", "--norc", "--noprofile", "-i"], fixture,
            setUp: "for file in \(folder)/*; do source $file; done")

        for (line, whole) in Self.lines { try expect(line, whole, terminal) }
        try expect(#"dfsh cat "/docs/tw"#, #"dfsh cat "/docs/two words""#, terminal)
        // What a name holds is never the shell's.
        try expect("dfsh cat '/docs/it", #"dfsh cat '/docs/it'\''s; $(x)'"#, terminal)
        try expect(#"dfsh cat "/docs/it"#, #"dfsh cat "/docs/it's; \$(x)""#, terminal)
        try expect(#"dfsh cat "/docs/no"#, #"dfsh cat "/docs/no"#, terminal)
        // Colons cut words of bash.
        let address = try fixture.cluster.nameServer.endpoint
        try expect(
            "dfsh -n \(address) cat /docs/at:1", #"dfsh -n \#(address) cat /docs/at:10:30"#,
            terminal)
    }

    @Test func `zsh completes commands, options and names of the tree`() throws {
        let fixture = try fixture()
        let folder = try install(for: "zsh", fixture) { "_" + $0.rawValue }

        let terminal = try open(
            ["/bin/zsh", "-f", "-i"], fixture,
            setUp: "fpath=(\(folder) $fpath); autoload -U compinit; compinit -u -d \(folder)/.dump")

        for (line, whole) in Self.lines { try expect(line, whole, terminal) }
        try expect("dfsh cat '/docs/it", #"dfsh cat '/docs/it'\''s; $(x)'"#, terminal)
        try expect(#"dfsh cat "/docs/tw"#, #"dfsh cat "/docs/two words""#, terminal)
        let address = try fixture.cluster.nameServer.endpoint
        try expect(
            "dfsh -n \(address) cat /docs/at", #"dfsh -n \#(address) cat /docs/at:10:30"#, terminal)
    }

    @Test func `fish completes commands, options and names of the tree`() throws {
        let fixture = try fixture()
        let folder = try install(for: "fish", fixture) { $0.rawValue + ".fish" }
        func completed(_ line: String) throws -> [String] {
            let path = "PATH=\(try Executable.folder):/usr/bin:/bin"
            let script = "for file in \(folder)/*; source $file; end; complete -C \"$argv\""
            let run = try ShellRun(
                "/usr/bin/env", [path, "fish", "--no-config", "-c", script, line],
                environment: try fixture.cluster.environment, scratch: fixture.cluster.folder)
            #expect(run.errors == "")
            // A description stands behind a tab.
            return run.output.split(separator: "\n").map {
                String($0.prefix { $0 != "\t" })
            }
        }

        #expect(try completed("dfsh hea") == ["head"])
        #expect(try completed("dfsh ls /do") == ["/docs/"])
        #expect(try completed("dfsh cat /docs/tw") == ["/docs/two words"])
        #expect(try completed("dfsh cat '/docs/it") == ["/docs/it's; $(x)"])
        #expect(try completed(#"dfsh cat "/docs/tw"#) == ["/docs/two words"])
        #expect(try completed("dfsh cat /docs/b") == [])
        #expect(try completed("dfs-fileserver --stand") == ["--standalone"])
        #expect(try completed("dfs-nameserver --catalogue ") == ["sqlite"])
    }
}
