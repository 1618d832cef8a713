import DFSProtocol
import Glibc

/// A path as it is shown in a sentence.
func shown(_ path: String) -> String { Quoting.text(path.utf8) }

/// What the latest failed call says.
func reason() -> String { String(cString: strerror(errno)) }

/// Reads a file of a few lines; nil where there is none.
func readSmallFile(_ path: String, atMost limit: Int = 65_536) throws(StartError) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0, errno == ENOENT { return nil }
    guard descriptor >= 0 else { throw StartError("\(shown(path)) can not be read: \(reason())") }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: min(limit, 65_536) + 1)
    var filled = 0
    while filled <= limit {
        if filled == bytes.count {
            let more = min(bytes.count, limit + 1 - bytes.count)
            bytes.append(contentsOf: repeatElement(0, count: more))
        }
        let count = bytes.withUnsafeMutableBytes { buffer in
            read(descriptor, buffer.baseAddress.map { $0 + filled }, buffer.count - filled)
        }
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw StartError("\(shown(path)) can not be read: \(reason())") }
        if count == 0 { break }
        filled += count
    }
    guard filled <= limit else { throw StartError("\(shown(path)) is over \(limit) bytes") }
    return Array(bytes.prefix(filled))
}

/// Puts new contents in the place of a file, durably: readers see the old or the new, also after a
/// crash.
func replaceFile(
    _ path: String, with bytes: [UInt8], in directory: String
) throws(StartError) {
    func check(_ isDone: Bool) throws(StartError) {
        if !isDone { throw StartError("\(shown(path)) can not be written: \(reason())") }
    }
    let temporary = path + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    try check(descriptor >= 0)
    do {
        try check(writeAll(String(decoding: bytes, as: UTF8.self), to: descriptor))
        try check(fsync(descriptor) == 0)
    } catch {
        close(descriptor)
        throw error
    }
    try check(close(descriptor) == 0)
    try check(rename(temporary, path) == 0)
    try syncDirectory(directory)
}

/// Makes the entries of a directory durable.
func syncDirectory(_ path: String) throws(StartError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw StartError("\(shown(path)) can not be opened: \(reason())") }
    let isSynced = fsync(descriptor) == 0 || errno == EINVAL
    let cause = reason()
    close(descriptor)
    if !isSynced { throw StartError("\(shown(path)) can not be made durable: \(cause)") }
}
