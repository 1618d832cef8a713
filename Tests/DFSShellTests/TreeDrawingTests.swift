import DFSClient
import DFSProtocol
import Testing

@testable import DFSShell

@Suite struct TreeDrawingTests {
    @Test func `branches go on while siblings follow, and end with the last`() throws {
        let paths = ["/a", "/a/x", "/a/x/1", "/a/y", "/b", "/b/z"]
        let leads = TreeCommand.leads(try paths.map { try TreePath($0) }, below: .root)

        #expect(
            leads == [
                "├── ", "│   ├── ", "│   │   └── ", "│   └── ", "└── ", "    └── ",
            ])
    }

    @Test func `a tree below a directory starts at its own level`() throws {
        let paths = ["/top/a", "/top/b"]
        let leads = TreeCommand.leads(
            try paths.map { try TreePath($0) }, below: try TreePath("/top"))

        #expect(leads == ["├── ", "└── "])
    }
}
