import Glibc

/// Names on this machine, for Tab; read on a thread of their own, for a disk can hang.
enum LocalNames {
    /// More entries of one folder are not looked at.
    private static let limit = 10_000

    /// The entries of a folder as it was typed; none where it can not be read.
    static func candidates(_ directory: [UInt8]) async -> [CompletionCandidate] {
        await withCheckedContinuation { continuation in
            let errand = Errand { continuation.resume(returning: read(directory)) }
            let box = Unmanaged.passRetained(errand)
            var thread = pthread_t()
            let code = pthread_create(
                &thread, nil,
                { argument in
                    if let argument {
                        Unmanaged<Errand>.fromOpaque(argument).takeRetainedValue().body()
                    }
                    return nil
                }, box.toOpaque())
            if code == 0 {
                pthread_detach(thread)
            } else {
                box.release()
                continuation.resume(returning: [])
            }
        }
    }

    private final class Errand {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    private static func read(_ directory: [UInt8]) -> [CompletionCandidate] {
        let path = directory.isEmpty ? [UInt8(ascii: ".")] : directory
        guard
            let stream = (path + [0]).withUnsafeBytes({ bytes in
                bytes.baseAddress.flatMap { opendir($0.assumingMemoryBound(to: CChar.self)) }
            })
        else { return [] }
        defer { closedir(stream) }
        var found: [CompletionCandidate] = []
        while found.count < limit, let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name == [UInt8](".".utf8) || name == [UInt8]("..".utf8) { continue }
            found.append(
                CompletionCandidate(
                    name: name, isDirectory: isDirectory(entry.pointee.d_type, name, dirfd(stream)))
            )
        }
        return found
    }

    private static func isDirectory(_ type: UInt8, _ name: [UInt8], _ folder: Int32) -> Bool {
        if type == DT_DIR { return true }
        guard type == DT_LNK || type == DT_UNKNOWN else { return false }
        var found = stat()
        let code = (name + [0]).withUnsafeBytes { bytes in
            bytes.baseAddress.map {
                fstatat(folder, $0.assumingMemoryBound(to: CChar.self), &found, 0)
            }
        }
        return code == 0 && found.st_mode & S_IFMT == S_IFDIR
    }
}
