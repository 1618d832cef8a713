import TestCluster
import Testing

/// The manual pages that packages install, as the programs that show them read them.
@Suite struct ManualPageTests {
    static let pages: [(Executable, [String])] = [
        (.shell, ["man"]), (.nameServer, ["--generate-manual"]),
        (.fileServer, ["--generate-manual"]),
    ]

    private func run(_ words: [String], _ cluster: Cluster) throws -> ShellRun {
        try ShellRun(
            "/usr/bin/env", ["MANWIDTH=80", "LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"] + words,
            scratch: cluster.folder)
    }

    /// Writes a page to a file.
    private func page(_ program: Executable, _ words: [String], _ cluster: Cluster) throws -> String
    {
        let run = try ShellRun(
            try program.path, words, environment: try cluster.environment, scratch: cluster.folder)
        #expect(run.exitCode == 0 && run.errors == "", "\(run.errors)")
        let file = "\(cluster.folder)/\(program.rawValue).page"
        try FileSystem.write(run.outputBytes, to: [UInt8](file.utf8))
        return file
    }

    @Test(arguments: pages) func `man and mandoc find nothing to complain of`(
        program: Executable, words: [String]
    ) throws {
        let cluster = try Cluster()
        defer { cluster.shutDown() }
        let file = try page(program, words, cluster)

        let checked = try run(["mandoc", "-Tlint", "-W", "warning", file], cluster)
        let shown = try run(["man", "--warnings", "-l", file], cluster)

        #expect(checked.exitCode == 0 && checked.output == "", "\(checked.output)")
        #expect(shown.exitCode == 0 && shown.errors == "", "\(shown.errors)")
        #expect(shown.output.contains("\(program.rawValue) - "))
        let headings = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"]
        let lines = shown.output.split(separator: "\n")
        for heading in headings { #expect(lines.contains { $0 == heading }, "\(heading)") }
    }

    @Test(arguments: pages) func `every option that --help lists is in the manual, as a heading`(
        program: Executable, words: [String]
    ) throws {
        let cluster = try Cluster()
        defer { cluster.shutDown() }
        let help = try ShellRun(
            try program.path, ["--help"], environment: try cluster.environment,
            scratch: cluster.folder)
        let options = help.output.split(separator: "\n").compactMap { line in
            line.hasPrefix("  -") ? line.split(whereSeparator: { " ,[=".contains($0) }).first : nil
        }
        #expect(options.count >= 7)

        let shown = try run(["man", "-l", try page(program, words, cluster)], cluster)

        let lines = shown.output.split(separator: "\n").map { $0.drop { $0 == " " } }
        for option in options {
            #expect(lines.contains { $0.hasPrefix(option) }, "\(option)\n\(shown.output)")
        }
    }

    @Test func `a manual that nobody can take is a failure`() throws {
        let cluster = try Cluster()
        defer { cluster.shutDown() }
        let program = try Executable.nameServer.path

        let run = try run(["sh", "-c", "\(program) --generate-manual > /dev/full"], cluster)

        #expect(run.exitCode == 1)
    }
}
