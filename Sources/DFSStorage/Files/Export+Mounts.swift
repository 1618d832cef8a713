import CPosix
import DFSProtocol
import FileService

// An export is one file system: its ledger stands on the same disk as all its files, so that
// neither can be away without the other. What is mounted below its top is never served. And what it
// hides is not gone: it stays in the ledger and is unavailable until it is unmounted.
extension Export {
    /// Whether forgetting a place would lose more than the name of an empty directory.
    func hasContents(_ state: borrowing LedgerState, _ place: NodeID) -> Bool {
        state.tree[place].kind == .file || state.tree[place].firstChild != 0
    }

    /// Whether a mount hides what the ledger knows at or above a path, which could not be opened.
    ///
    /// Not in the ledger's lock.
    func isCovered(_ path: TreePath) -> Bool {
        var known: [NodeID] = []
        var isFile = false
        ledger.state.withLock { state in
            var place = LedgerTree.top
            for name in relative(path).split(separator: TreePath.slash) {
                guard let next = state.tree.child(of: place, named: name) else { break }
                known.append(next)
                place = next
            }
            isFile = state.tree[place].kind == .file
        }
        for place in known {
            do throws(SystemError) { _ = try open(place) } catch {
                if error != .mounted { continue }
                return ledger.state.withLock { state in
                    state.tree.contains(place) && hasContents(state, place)
                }
            }
        }
        return isFile
    }

    /// Makes an entry of a listing; of what a mount hides, the one that was known.
    func covered(
        named name: [UInt8], _ path: TreePath, in folder: Folder,
        _ entry: () throws(RequestError) -> FileEntry
    ) throws(RequestError) -> FileEntry {
        let failure: RequestError
        do throws(RequestError) { return try entry() } catch { failure = error }
        do throws(SystemError) { _ = try look(in: folder, named: name) } catch {
            let node = ledger.state.withLock { state in
                state.tree.child(of: folder.place, named: name).map { state.tree[$0] }
            }
            if error == .covered, let node {
                return FileEntry(
                    path: path, isDirectory: node.kind == .directory, facts: node.facts)
            }
        }
        throw failure
    }

    /// Whether anything is mounted below a directory of the export.
    func hasMounts(below path: TreePath) -> Bool {
        let top = folder == [TreePath.slash] ? [] : folder
        let directory = top + [TreePath.slash] + relative(path) + [TreePath.slash]
        return MountPoint.all().contains { $0.starts(with: directory) }
    }
}

/// Where file systems are mounted, as this process sees them.
enum MountPoint {
    /// All of them, absolute; none where the kernel does not say.
    static func all() -> [[UInt8]] {
        // Without /proc no file can be opened either.
        guard let file = try? Descriptor(dfs_openat(-1, "/proc/self/mountinfo", O_RDONLY, 0))
        else { return [] }
        var (text, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while true {
            let count = buffer.withUnsafeMutableBytes { bytes in
                dfs_read(file.number, bytes.baseAddress, bytes.count, Int64(text.count))
            }
            if count <= 0 { break }
            text += buffer[..<count]
        }
        return points(in: text)
    }

    /// Reads lines of mountinfo, whose fifth field is the place.
    ///
    /// - Source: proc(5).
    static func points(in text: [UInt8]) -> [[UInt8]] {
        text.split(separator: 0x0A).compactMap { line in
            let fields = line.split(separator: 0x20, maxSplits: 5)
            return fields.count > 5 ? plain(fields[4]) : nil
        }
    }

    /// Takes back what the kernel writes as a backslash and three octal digits.
    private static func plain(_ field: ArraySlice<UInt8>) -> [UInt8] {
        var (bytes, rest) = ([UInt8](), field)
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            guard byte == 0x5C, digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            else {
                bytes.append(byte)
                continue
            }
            bytes.append(value)
            rest.removeFirst(3)
        }
        return bytes
    }
}
