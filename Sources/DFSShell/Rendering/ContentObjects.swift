import DFSProtocol

/// A file's content as `--json` prints it: an object a piece, with the name and the bytes.
struct ContentObjects {
    private var path: TreePath?
    /// The beginning of a character, which the next piece ends.
    private var rest: [UInt8] = []

    /// The lines for the next piece; what another file left unfinished comes before it.
    ///
    /// Only text waits for the rest of a character: a piece that is none stays whole.
    mutating func next(_ bytes: some Collection<UInt8>, of path: TreePath?) -> [UInt8] {
        let before = path == self.path ? [] : end()
        self.path = path
        var whole = rest + bytes
        var cut = whole.count - ContentText.unfinishedCharacter(whole)
        if cut < whole.count, String(validating: whole[..<cut], as: UTF8.self) == nil {
            cut = whole.count
        }
        rest = Array(whole[cut...])
        whole.removeLast(whole.count - cut)
        return before + line(whole)
    }

    /// The line for what waited, where nothing more comes.
    mutating func end() -> [UInt8] {
        defer { rest = [] }
        return line(rest)
    }

    private func line(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.isEmpty { return [] }
        var object = JSONObject()
        if let path { object["path"] = .path(path) }
        object["data"] = .bytes(bytes)
        return object.line
    }
}
