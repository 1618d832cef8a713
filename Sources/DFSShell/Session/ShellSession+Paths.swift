import DFSClient
import DFSProtocol

extension ShellSession {
    /// The path that a person means: from the working directory, with `.`, `..` and a last `/`.
    ///
    /// - Throws: `ShellFailure` where no such name can be in the tree.
    public func path(_ text: [UInt8]) throws -> TreePath {
        var components: [ArraySlice<UInt8>] =
            text.first == TreePath.slash ? [] : workingDirectory.components
        for part in text.split(separator: TreePath.slash) {
            if part.elementsEqual(".".utf8) { continue }
            if part.elementsEqual("..".utf8) {
                if !components.isEmpty { components.removeLast() }
            } else {
                components.append(part)
            }
        }
        var bytes: [UInt8] = []
        for component in components { bytes += [TreePath.slash] + component }
        do throws(RequestError) {
            return try TreePath(bytes.isEmpty ? [TreePath.slash] : bytes)
        } catch {
            throw ShellFailure(.usage, "\(Word.typed(text)): \(error.advice)")
        }
    }

    /// The paths that a word stands for: itself, or all names that its pattern fits, in order.
    ///
    /// - Throws: `not-found` where a pattern fits nothing.
    func paths(_ word: Word) async throws -> [TreePath] {
        guard word.isPattern else {
            if word.bytes.isEmpty { throw ShellFailure(.usage, "\"\" is no path") }
            return [try path(word.bytes)]
        }
        let found = try await RemoteGlob(word: word, session: self).expand()
        guard !found.isEmpty else {
            throw ShellFailure(.notFound, "\(word.shown): no name fits the pattern")
        }
        return found
    }

    /// The paths of several words, in their order.
    func paths(_ words: some Collection<Word>) async throws -> [TreePath] {
        var result: [TreePath] = []
        for word in words { result += try await paths(word) }
        return result
    }

    /// The one path of a word that may be a pattern.
    func onePath(_ word: Word) async throws -> TreePath {
        let found = try await paths(word)
        guard found.count == 1 else {
            throw ShellFailure(.usage, "\(word.shown) fits \(found.count) names, and one is needed")
        }
        return found[0]
    }

    /// What is at a path, or nil where nothing is.
    func entry(at path: TreePath) async throws -> Entry? {
        do throws(DFSError) {
            return try await client.stat(path).entry
        } catch {
            if error.known == .notFound { return nil }
            throw error
        }
    }

    /// Leaves out what goes along with a directory above it in the same list.
    static func outermost(_ paths: [TreePath]) -> [TreePath] {
        let all = Set(paths)
        return paths.filter { path in
            var above = path.parent
            while let next = above {
                if all.contains(next) { return false }
                above = next.parent
            }
            return true
        }
    }

    /// Runs something for each path, tells each failure, and goes on while a name server answers.
    ///
    /// - Throws: `ShellFailure` with the first failure's code once all have been tried.
    func forEach(
        _ paths: [TreePath], _ body: (TreePath) async throws -> Void
    ) async throws {
        var first: ExitCode?
        for path in paths {
            do {
                try await body(path)
            } catch {
                let code = tell(await explained(error))
                if code == .interrupted { throw ShellFailure.told(code) }
                first = first ?? code
                // Every further path would wait for the name server as long, and in vain.
                if error.meansNoNameServer { break }
            }
        }
        if let first { throw ShellFailure.told(first) }
    }
}
