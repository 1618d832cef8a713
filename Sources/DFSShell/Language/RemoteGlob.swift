import DFSClient
import DFSProtocol

/// Expands a word with `*`, `?`, `[...]` and `**` against the names of the tree.
struct RemoteGlob {
    private let word: Word
    private let session: ShellSession

    init(word: Word, session: ShellSession) {
        self.word = word
        self.session = session
    }

    /// Every path that fits, once, in the order of the tree; none where nothing does.
    func expand() async throws -> [TreePath] {
        let pattern = word.pattern
        let isAbsolute = pattern.first == TreePath.slash
        var found = [isAbsolute ? TreePath.root : session.workingDirectory]
        let parts = pattern.split(separator: TreePath.slash).map(Array.init)
        for (index, part) in parts.enumerated() {
            found = try await step(found, part, isLast: index == parts.count - 1)
            // Two `**` come to one place by several ways.
            var seen: Set<TreePath> = []
            found = found.filter { seen.insert($0).inserted }
        }
        return found
    }

    private func step(
        _ places: [TreePath], _ part: [UInt8], isLast: Bool
    ) async throws -> [TreePath] {
        if part == [UInt8]("**".utf8) { return try await everythingBelow(places, isLast: isLast) }
        var result: [TreePath] = []
        for place in places {
            if part == [UInt8](".".utf8) {
                result.append(place)
            } else if part == [UInt8]("..".utf8) {
                result.append(place.parent ?? .root)
            } else if Glob.isPattern(RemoteGlob.unescapedSpecials(part)) {
                result += try await matches(place, Glob(part), part, isLast: isLast)
            } else {
                result += try await exact(place, RemoteGlob.literal(part))
            }
        }
        return result
    }

    private func matches(
        _ place: TreePath, _ glob: Glob, _ part: [UInt8], isLast: Bool
    ) async throws -> [TreePath] {
        // As every shell has it, a leading dot is matched by a leading dot only.
        let wantsHidden = part.first == UInt8(ascii: ".")
        var result: [TreePath] = []
        do throws(DFSError) {
            var pages = session.client.list(place).makeAsyncIterator()
            while let page = try await pages.nextPage() {
                for entry in page where isLast || entry.kind == .directory {
                    let isHidden = entry.name.first == UInt8(ascii: ".")
                    if isHidden == wantsHidden || !isHidden, glob.matches(entry.name) {
                        result.append(entry.path)
                    }
                }
            }
        } catch {
            // A pattern goes through what is a directory, and past everything else.
            guard error.known == .notDirectory || error.known == .notFound else { throw error }
        }
        return result
    }

    private func exact(_ place: TreePath, _ name: [UInt8]) async throws -> [TreePath] {
        let path: TreePath
        do throws(RequestError) {
            path = try place.appending(name)
        } catch {
            throw ShellFailure(.usage, "\(Word.typed(name)): \(error.advice)")
        }
        return try await session.entry(at: path) == nil ? [] : [path]
    }

    /// `**` stands for any number of directories; as the last part for everything below too.
    private func everythingBelow(_ places: [TreePath], isLast: Bool) async throws -> [TreePath] {
        var result: [TreePath] = []
        for place in places {
            if !isLast { result.append(place) }
            let found = session.client.find(place, kind: isLast ? nil : .directory)
            do throws(DFSError) {
                result += try await found.all().map(\.path).filter { !isHidden($0, below: place) }
            } catch {
                guard error.known == .notDirectory || error.known == .notFound else { throw error }
            }
        }
        return result
    }

    /// Whether a part of a path below a place begins with a dot: `**` passes it by, as `*` does.
    private func isHidden(_ path: TreePath, below place: TreePath) -> Bool {
        guard let rest = path.relative(to: place) else { return false }
        return rest.split(separator: TreePath.slash).contains { $0.first == UInt8(ascii: ".") }
    }

    /// The part without what stands behind a backslash.
    private static func unescapedSpecials(_ part: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < part.count {
            if part[index] == UInt8(ascii: "\\") {
                index += 2
            } else {
                result.append(part[index])
                index += 1
            }
        }
        return result
    }

    /// The name that a part without patterns stands for.
    private static func literal(_ part: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var isEscaped = false
        for byte in part {
            if !isEscaped, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                result.append(byte)
                isEscaped = false
            }
        }
        return result
    }
}
