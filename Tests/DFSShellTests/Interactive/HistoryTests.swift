import Glibc
import Testing

@testable import DFSShell

/// What history keeps, in memory and in its file.
struct HistoryTests {
    @Test(arguments: [
        "", " ls", "session resume h1 token=abcd", "session resume s1 00ff",
        "session  resume s1 00ff", "\"session\" resume s1 00ff", "x PASSWORD=y",
        "a\u{1B}b", "a\nb", "a\tb",
    ])
    func `a blank line, one after a space and one with a secret stay out`(line: String) {
        var history = LineHistory()

        let isKept = history.add([UInt8](line.utf8))

        #expect(!isKept)
        #expect(history.lines.isEmpty)
    }

    @Test func `a line repeated at once is kept once`() {
        var history = LineHistory()

        let kept = ["ls", "ls", "pwd", "ls"].map { history.add([UInt8]($0.utf8)) }

        #expect(kept == [true, false, true, true])
        #expect(history.lines.count == 3)
    }

    @Test func `the oldest go when there are more than a thousand`() {
        var history = LineHistory()
        for number in 0...LineHistory.limit { history.add([UInt8]("ls \(number)".utf8)) }

        #expect(history.lines.count == LineHistory.limit)
        #expect(history.lines.first == [UInt8]("ls 1".utf8))
    }

    @Test(arguments: [
        (["DFSH_HISTFILE": "/h", "HOME": "/root"], "/h"),
        (["XDG_STATE_HOME": "/s", "HOME": "/root"], "/s/dfsh/history"),
        (["XDG_STATE_HOME": "s", "HOME": "/root"], "/root/.local/state/dfsh/history"),
        (["HOME": "/root"], "/root/.local/state/dfsh/history"),
        (["DFSH_HISTFILE": "", "HOME": "/root"], nil), ([:], nil),
    ])
    func `the environment says where the file is`(variables: [String: String], path: String?) {
        #expect(HistoryFile.usual { variables[$0] }?.path == path)
    }

    @Test func `lines of two shells stand in one private file`() throws {
        let folder = try TemporaryFolder()
        let (one, other) = (folder.file, folder.file)

        one.append([UInt8]("ls".utf8))
        other.append([UInt8]("pwd".utf8))
        one.append([UInt8]("cat ünï".utf8))

        #expect(other.load().lines == ["ls", "pwd", "cat ünï"].map { [UInt8]($0.utf8) })
        #expect(folder.mode == 0o600)
    }

    @Test func `a file that others could read is closed to them`() throws {
        let folder = try TemporaryFolder()
        folder.file.append([UInt8]("ls".utf8))
        chmod(folder.file.path, 0o644)

        _ = folder.file.load()

        #expect(folder.mode == 0o600)
    }

    @Test func `many shells at once lose no line while the file is shortened`() async throws {
        let folder = try TemporaryFolder()
        let file = folder.file
        for number in 0...LineHistory.limit { file.append([UInt8]("old \(number)".utf8)) }

        await withTaskGroup(of: Void.self) { group in
            for shell in 0..<8 {
                group.addTask {
                    for number in 0..<20 {
                        file.append([UInt8]("new \(shell) \(number)".utf8))
                        if number == 10 { _ = file.load() }
                    }
                }
            }
        }

        let kept = file.load().lines.filter { $0.starts(with: "new".utf8) }
        #expect(kept.count == 160)
        #expect(Set(kept).count == 160)
    }

    @Test func `a folder or a device in the place of the file keeps nothing and harms nothing`() {
        for path in ["/dev/null", "/"] {
            let file = HistoryFile(path: path)
            file.append([UInt8]("ls".utf8))

            #expect(file.load().lines.isEmpty)
        }
    }
}

/// A folder that goes with its last reference.
private final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/dfsh-history-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    var file: HistoryFile { HistoryFile(path: "\(path)/state/history") }

    var mode: mode_t {
        var found = stat()
        return stat(file.path, &found) == 0 ? found.st_mode & 0o777 : 0
    }

    deinit {
        unlink(file.path)
        rmdir("\(path)/state")
        rmdir(path)
    }
}
