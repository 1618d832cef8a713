import Testing

@testable import DFSShell

@Suite struct PackagingTests {
    @Test func `the options of dfsh are read from its help, all of them`() throws {
        let options = ProgramOption.all
        let starts = DfshOptions.help.split(separator: "\n").filter { $0.hasPrefix("  -") }

        #expect(options.count == starts.count && options.count >= 7)
        #expect(options.allSatisfy { !$0.names.isEmpty && !$0.summary.isEmpty })
        let deadline = try #require(options.first { $0.names == ["--deadline"] })
        #expect(deadline.value == "MS" && deadline.takesWord)
        let trace = try #require(options.first { $0.names == ["--trace"] })
        #expect(trace.value == "[=FILE]" && !trace.takesWord)
        let help = try #require(options.first { $0.names == ["-h", "--help"] })
        #expect(help.value == "" && !help.takesWord)
    }

    @Test func `the manual has every command and option, and no line that is a request by chance`()
    {
        let lines = ManualPage.text(CommandTable.rows).split(
            separator: "\n", omittingEmptySubsequences: false)

        for row in CommandTable.rows {
            #expect(lines.contains(".B " + ManualPage.escaped(row.usage)[...]), "\(row.name)")
            let text = ManualPage.paragraph(row.summary)
            #expect(lines.indices.contains { lines[$0...].map(String.init).starts(with: text) })
        }
        let requests = ["TH", "SH", "SS", "TP", "B", "BR", "br", "RS", "RE"]
        for line in lines where line.hasPrefix(".") || line.hasPrefix("'") {
            let word = line.dropFirst().prefix { $0 != " " }
            #expect(requests.contains(String(word)), "\(line)")
        }
    }

    @Test(arguments: [
        (".TH", "\\&.TH"), ("-l", "\\-l"), ("a\\b", "a\\eb"), ("'q'", "\\(aqq\\(aq"),
    ])
    func `text stands for itself in the manual`(text: String, escaped: String) {
        #expect(ManualPage.escaped(text) == escaped)
    }

    @Test(arguments: CompletionScript.allCases)
    func `a completion file asks dfsh for words`(script: CompletionScript) {
        #expect(script.text.contains("completion words -- "))
        #expect(script.text.contains("dfsh completion \(script.rawValue)"))
    }
}
