import Glibc
import TestCluster

/// Where the project's documents are, found from this file's own place.
enum Project {
    /// The top of the project, absolute.
    static let folder: String = {
        let here = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false)
        return here.dropLast(4).joined(separator: "/")
    }()

    /// Documents that must have something to execute.
    static let required = [
        "Protocol.md", "README.md", "Examples/story.md", "Examples/netcat.md",
        "Examples/play-a-file-server.md", "Examples/tour.md",
    ]

    /// Every document whose transcripts are executed, relative to the top, in bytewise order.
    ///
    /// With `DFS_DOCUMENT` in the environment only that one, for whoever works on it.
    static func documents() throws -> [String] {
        if let one = getenv("DFS_DOCUMENT") { return [String(cString: one)] }
        let single = ["Protocol.md", "README.md"].filter {
            FileSystem.exists([UInt8]("\(folder)/\($0)".utf8))
        }
        return try single + markdown(in: "Examples") + markdown(in: "Tests")
    }

    private static func markdown(in name: String) throws -> [String] {
        let root = [UInt8]("\(folder)/\(name)".utf8)
        guard FileSystem.exists(root) else { return [] }
        return try FileSystem.files(below: root).map { String(decoding: $0, as: UTF8.self) }
            .filter { $0.hasSuffix(".md") && !$0.split(separator: "/").contains(".build") }
            .map { "\(name)/\($0)" }
    }

    static func transcript(_ path: String) throws -> Transcript {
        let text = String(decoding: try FileSystem.read("\(folder)/\(path)"), as: UTF8.self)
        do {
            return try Transcript(path: path, text: text)
        } catch let error as TranscriptError {
            throw TestFailure("\(path):\(error.position + 1): \(error.text)")
        }
    }
}
