import TestCluster

/// A folder of one test, removed with everything in it when the test ends.
final class ScratchFolder {
    let path: String

    init() throws { path = try FileSystem.makeUniqueFolder("dfs-command") }

    deinit {
        // A leftover fails no test.
        try? FileSystem.remove(path)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// The text of a file in the folder.
    func text(_ name: String) throws -> String {
        String(decoding: try FileSystem.read(file(name)), as: UTF8.self)
    }
}
