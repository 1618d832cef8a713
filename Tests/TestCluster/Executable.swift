import Glibc

/// The programs under test, where the build put them.
public enum Executable: String, CaseIterable, Sendable {
    case nameServer = "dfs-nameserver"
    case fileServer = "dfs-fileserver"
    case shell = "dfsh"
    /// A file server that leaves the order of work to the kernel: what checks of order must find.
    case unorderedFileServer = "unordered-fileserver"

    /// The file to run: in `DFS_BIN` if that is set, else beside the test bundle.
    ///
    /// - Throws: `TestFailure` where it has not been built.
    public var path: String {
        get throws {
            let candidate = try "\(Executable.folder)/\(rawValue)"
            guard access(candidate, X_OK) == 0 else {
                throw TestFailure(
                    "\(candidate) is not there: build it first (swift build --product \(rawValue))")
            }
            return candidate
        }
    }

    /// Where the programs are.
    public static var folder: String {
        get throws {
            if let folder = Leash.variable("DFS_BIN") { return folder }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = buffer.withUnsafeMutableBytes { bytes in
                bytes.baseAddress.map { readlink("/proc/self/exe", $0, bytes.count) } ?? 0
            }
            guard count > 0, let slash = buffer[..<count].lastIndex(of: UInt8(ascii: "/")) else {
                throw TestFailure("the test bundle's own place is not known")
            }
            return String(decoding: buffer[..<slash], as: UTF8.self)
        }
    }
}
