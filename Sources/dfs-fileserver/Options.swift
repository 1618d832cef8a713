import ArgumentParser
import DFSProtocol
import Glibc

/// The value of `--export`: a folder, and where it stands in the tree.
struct Export: ExpressibleByArgument {
    let folder: String
    let mount: TreePath

    /// Splits at the last `:/`, so that a folder may have colons in its name.
    init?(argument: String) {
        let bytes = Array(argument.utf8)
        var cut: Int?
        for index in bytes.indices.dropLast()
        where bytes[index] == UInt8(ascii: ":") && bytes[index + 1] == TreePath.slash {
            cut = index
        }
        folder = String(decoding: bytes[..<(cut ?? bytes.count)], as: UTF8.self)
        do throws(RequestError) {
            mount =
                try cut.map { (index) throws(RequestError) in
                    try TreePath(Array(bytes[(index + 1)...]))
                } ?? .root
        } catch {
            return nil
        }
        if folder.isEmpty { return nil }
    }

    /// What was meant by `dir:mount`, where there is no folder of this name with a colon.
    var mountWithoutSlash: (folder: String, mount: String)? {
        guard let colon = folder.lastIndex(of: ":"), access(folder, F_OK) != 0 else { return nil }
        return (String(folder[..<colon]), String(folder[folder.index(after: colon)...]))
    }
}

/// The value of `--new-export`: the mount of an export.
struct Mount: ExpressibleByArgument {
    let path: TreePath

    /// Refuses what is no path in the tree.
    init?(argument: String) {
        do throws(RequestError) { path = try TreePath(argument) } catch { return nil }
    }
}

/// The value of `--name-server`: addresses with commas between.
struct NameServerList: ExpressibleByArgument {
    let endpoints: [Endpoint]

    /// Refuses a list in which one part is no address.
    init?(argument: String) {
        do throws(RequestError) { endpoints = try Endpoint.list(argument) } catch { return nil }
    }
}

extension ServerID {
    /// What wire.md shows; a machine with two file servers names the second.
    static let defaultID: ServerID = {
        guard let id = ServerID("fs1") else { preconditionFailure("fs1 is a valid id") }
        return id
    }()
}
