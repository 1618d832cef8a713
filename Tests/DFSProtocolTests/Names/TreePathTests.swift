import DFSProtocol
import Testing

@Suite struct TreePathTests {
    @Test(arguments: [
        "/", "/a", "/a/b", "/...", "/.dfx", "/a b", "/{5}", "/@7", "/#", "/\u{1B}\n", "/.d",
        "/x.dfs",
    ])
    func `any other name that Linux allows is served`(path: String) throws {
        #expect(try TreePath(path).bytes == bytes(path))
    }

    @Test(arguments: [
        "", "a", "a/b", "//", "/a/", "/a//b", "/.", "/..", "/a/./b", "/a/../b", "/a\u{0}b", "/.dfs",
        "/.dfsx", "/a/.dfs/b",
    ])
    func `names are refused and never normalised`(path: String) {
        #expect(refusal { () throws(RequestError) in _ = try TreePath(path) }?.code == .badName)
    }

    @Test func `a name has at most 255 bytes`() throws {
        let longest = "/" + String(repeating: "x", count: 255)

        let refused = refusal { () throws(RequestError) in _ = try TreePath(longest + "x") }

        #expect(try TreePath(longest).name.count == 255)
        #expect(refused?.code == .nameTooLong)
        #expect(refused?.field("max") == bytes("255"))
    }

    @Test func `a path has at most 4096 bytes`() throws {
        let longest = String(repeating: "/" + String(repeating: "x", count: 127), count: 32)

        let refused = refusal { () throws(RequestError) in _ = try TreePath(longest + "y") }

        #expect(try TreePath(longest).bytes.count == 4096)
        #expect(refused?.code == .nameTooLong)
        #expect(refused?.field("max") == bytes("4096"))
    }

    @Test func `a path knows its parts`() throws {
        let path = try TreePath("/a/b/c")

        #expect(path.components.map { text(Array($0)) } == ["a", "b", "c"])
        #expect(text(Array(path.name)) == "c")
        #expect(try path.parent == TreePath("/a/b"))
        #expect(try TreePath("/a").parent == .root)
        #expect(TreePath.root.parent == nil)
        #expect(TreePath.root.components.isEmpty)
        #expect(TreePath.root.name.isEmpty)
    }

    @Test func `a path is within itself and its ancestors only`() throws {
        let path = try TreePath("/ab/c")

        #expect(path.isWithin(.root))
        #expect(try path.isWithin(TreePath("/ab")))
        #expect(path.isWithin(path))
        #expect(try !path.isWithin(TreePath("/a")))
        #expect(try path.relative(to: TreePath("/ab")).map { text(Array($0)) } == "c")
        #expect(path.relative(to: .root).map { text(Array($0)) } == "ab/c")
        #expect(path.relative(to: path)?.isEmpty == true)
        #expect(try path.relative(to: TreePath("/a")) == nil)
    }

    @Test func `appending checks the new name`() throws {
        #expect(try TreePath.root.appending(bytes("a")) == TreePath("/a"))
        #expect(try TreePath("/a").appending(bytes("b")) == TreePath("/a/b"))
        #expect(
            refusal { () throws(RequestError) in
                _ = try TreePath.root.appending(bytes(".."))
            }?.code == .badName)
    }

    @Test func `a directory stands before its contents and those before its sisters`() throws {
        let sorted = ["/", "/a", "/a/b", "/a/b/c", "/a/z", "/a!", "/a-b", "/a.txt", "/b", "/é"]
        let paths = try sorted.map { try TreePath($0) }

        #expect(paths.reversed().sorted() == paths)
    }

    @Test func `a path is shown quoted`() throws {
        #expect(try TreePath("/a\nb").description == "\"/a\\nb\"")
    }
}
