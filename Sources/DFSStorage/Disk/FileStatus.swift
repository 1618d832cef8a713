import CPosix
import DFSProtocol
import FileService

/// What the disk says of a name or a descriptor, without following a symlink.
struct FileStatus: Equatable, Sendable {
    /// What is served and what is not.
    enum Kind: Equatable, Sendable {
        case file
        case directory
        case symlink
        /// FIFOs, devices and sockets.
        case other
        /// Something is mounted there: what is seen belongs to another file system.
        case mounted
    }

    let kind: Kind
    let mode: FileMode
    let identity: FileIdentity
    let links: UInt64
    let stamp: FileStamp
    let user: UInt32
    let group: UInt32
    /// The mount through which it was reached; 0 where the kernel does not tell.
    let mount: UInt64

    /// Asks for a name in a directory; the empty name is the directory itself, mounted or not.
    init(in directory: Int32, named name: some Collection<UInt8>) throws(SystemError) {
        var status = dfs_file_status()
        let code = withName(name) { name in
            dfs_status(directory, name, &status)
        }
        try SystemError.check(code)
        switch status.mode & 0o170000 {
        case _ where status.is_mount_point != 0 && !name.isEmpty: kind = .mounted
        case 0o100000: kind = .file
        case 0o040000: kind = .directory
        case 0o120000: kind = .symlink
        default: kind = .other
        }
        mode = FileMode(bits: status.mode)
        identity = FileIdentity(device: status.device, inode: status.inode)
        links = status.links
        user = status.user
        group = status.group
        mount = status.mount
        stamp = FileStamp(
            size: status.size, inode: status.inode, mtimeSeconds: status.mtime_seconds,
            ctimeSeconds: status.ctime_seconds, mtimeNanoseconds: status.mtime_nanoseconds,
            ctimeNanoseconds: status.ctime_nanoseconds)
    }
}

/// What differs as soon as anybody changed a file: size, times and inode.
struct FileStamp: Equatable, Sendable {
    var size: Int64 = 0
    var inode: UInt64 = 0
    var mtimeSeconds: Int64 = 0
    var ctimeSeconds: Int64 = 0
    var mtimeNanoseconds: Int32 = 0
    var ctimeNanoseconds: Int32 = 0

    /// When the contents last changed.
    var mtime: WallTime { WallTime(seconds: mtimeSeconds, nanoseconds: mtimeNanoseconds) }

    /// Whether only attributes can differ: same file, same size, same time of the last change.
    func hasSameContents(as other: FileStamp) -> Bool {
        size == other.size && inode == other.inode && mtimeSeconds == other.mtimeSeconds
            && mtimeNanoseconds == other.mtimeNanoseconds
    }
}
