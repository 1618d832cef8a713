import Glibc
import TestCluster
import Testing

@testable import DFSShell

@Suite struct PrivateCopyTests {
    private func harmless(_ name: [UInt8]) -> String {
        String(decoding: PrivateCopy.harmless(name), as: UTF8.self)
    }

    @Test func `a copy has the name of its file where no program is misled by it`() {
        #expect(harmless([UInt8]("notes.txt".utf8)) == "notes.txt")
        #expect(harmless([UInt8]("größe 1.md".utf8)) == "größe 1.md")
        #expect(harmless([UInt8]("a\u{1B}[2J.c".utf8)) == "a__2J.c")
        #expect(harmless([UInt8]("two\nlines.txt".utf8)) == "two_lines.txt")
        #expect(harmless([0xFF, 0x61]) == "_a")
    }

    @Test func `a copy's folder is its person's alone, and goes with all that is in it`() throws {
        let copy = try PrivateCopy(of: [UInt8]("f".utf8))
        let path = String(decoding: copy.path, as: UTF8.self)
        let folder = String(path.dropLast(2))
        var status = stat()
        #expect(stat(folder, &status) == 0 && status.st_mode & 0o777 == 0o700)
        #expect(try copy.contents(atMost: 10) == nil)
        for name in ["f", ".f.swp"] {
            let file = Glibc.open("\(folder)/\(name)", O_WRONLY | O_CREAT, 0o600)
            _ = write(file, "hello", 5)
            close(file)
        }

        #expect(try copy.contents(atMost: 5) == [UInt8]("hello".utf8))
        #expect(throws: ShellFailure.self) { try copy.contents(atMost: 4) }
        copy.remove()

        #expect(stat(folder, &status) != 0)
    }

    @Test func `programs are chosen by the environment, then by what there is`() {
        var variables: [String: String] = [:]
        var programs: Set<String> = []
        func choice() -> ProgramChoice {
            let (variables, programs) = (variables, programs)
            return ProgramChoice(
                variable: { variables[$0] }, isThere: { programs.contains($0) })
        }
        #expect(choice().pager == nil && choice().editor == nil && choice().desktop == nil)

        programs = ["more", "vi", "xdg-open"]
        #expect(choice().pager == "more" && choice().editor == "vi" && choice().desktop == nil)

        programs.formUnion(["less", "editor"])
        variables = ["DISPLAY": ":0", "EDITOR": "ed"]
        #expect(choice().pager == "less" && choice().editor == "ed")
        #expect(choice().desktop == "xdg-open")

        variables = ["PAGER": "most", "VISUAL": "emacs", "EDITOR": "ed"]
        #expect(choice().pager == "most" && choice().editor == "emacs")
        variables["DFSH_PAGER"] = "cat"
        #expect(choice().pager == nil)
    }
}
