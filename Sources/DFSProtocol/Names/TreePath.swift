/// An absolute path in the shared tree: bytes that were checked once and are trusted from then on.
///
/// Compared bytewise. The root is `/`; no other path ends in `/`.
/// - Source: Protocol.md, "Names".
public struct TreePath: Hashable, Sendable {
    /// The whole path as it stands on the wire before quoting.
    public let bytes: [UInt8]

    /// The top of the tree.
    public static let root = TreePath(unchecked: [slash])
    /// The byte between components.
    public static let slash = UInt8(ascii: "/")

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    /// Checks a path from a peer; nothing is normalised.
    ///
    /// - Throws: `bad-name` for a relative path, an empty component, `.`, `..`, NUL or a reserved
    ///   name; `name-too-long` for a component over 255 bytes or a path over 4096.
    public init(_ bytes: [UInt8]) throws(RequestError) {
        guard bytes.first == TreePath.slash else {
            throw RequestError(
                .badName, "a path starts with / at the top of the tree",
                fields: [.init("path", TreePath.excerpt(bytes))])
        }
        guard bytes.count <= Limits.pathBytes else {
            throw RequestError(
                .nameTooLong, "a path has at most \(Limits.pathBytes) bytes",
                fields: [.init("max", number: Limits.pathBytes)])
        }
        if bytes.count > 1 {
            var start = 1
            while start <= bytes.count {
                let end = bytes[start...].firstIndex(of: TreePath.slash) ?? bytes.count
                try TreePath.check(component: bytes[start..<end], of: bytes)
                start = end + 1
            }
        }
        self.bytes = bytes
    }

    /// Checks a path that stands in our own source or was typed by a person.
    public init(_ text: String) throws(RequestError) { try self.init([UInt8](text.utf8)) }

    /// The first part of a refused path, so that an error line stays short.
    private static func excerpt(_ bytes: [UInt8]) -> [UInt8] {
        Array(bytes.prefix(Limits.pathBytes))
    }

    private static func check(
        component: ArraySlice<UInt8>, of path: [UInt8]
    ) throws(RequestError) {
        if component.count > Limits.componentBytes {
            throw RequestError(
                .nameTooLong, "a name has at most \(Limits.componentBytes) bytes",
                fields: [.init("max", number: Limits.componentBytes)])
        }
        if let reason = refusal(component: component) {
            throw RequestError(.badName, reason, fields: [.init("path", excerpt(path))])
        }
    }

    /// Why a single name can not stand in the tree, or nil where it can.
    ///
    /// Length is not looked at.
    public static func refusal(component: some Collection<UInt8>) -> String? {
        if component.isEmpty { return "a path has no empty component and does not end in /" }
        if component.elementsEqual([dot]) || component.elementsEqual([dot, dot]) {
            return "the components . and .. are refused, not resolved"
        }
        if component.contains(0) { return "a name has no NUL byte" }
        if component.contains(slash) { return "a name has no / in it" }
        if component.starts(with: reservedPrefix) {
            return "names that begin with .dfs are reserved"
        }
        return nil
    }

    private static let dot = UInt8(ascii: ".")
    private static let reservedPrefix = [UInt8](".dfs".utf8)

    /// Whether this is `/`.
    public var isRoot: Bool { bytes.count == 1 }

    /// The names from the top down; none for the root.
    public var components: [ArraySlice<UInt8>] {
        isRoot
            ? []
            : bytes.dropFirst().split(separator: TreePath.slash, omittingEmptySubsequences: false)
    }

    /// The last name; empty for the root.
    public var name: ArraySlice<UInt8> {
        guard !isRoot, let cut = bytes.lastIndex(of: TreePath.slash) else { return [] }
        return bytes[(cut + 1)...]
    }

    /// The directory that holds this path; nil for the root.
    public var parent: TreePath? {
        guard !isRoot, let cut = bytes.lastIndex(of: TreePath.slash) else { return nil }
        return cut == 0 ? .root : TreePath(unchecked: Array(bytes[..<cut]))
    }

    /// The path of an entry in this directory.
    ///
    /// - Throws: `bad-name` or `name-too-long` where the name can not stand in the tree.
    public func appending(_ name: some Collection<UInt8>) throws(RequestError) -> TreePath {
        var joined = isRoot ? [] : bytes
        joined.append(TreePath.slash)
        joined.append(contentsOf: name)
        return try TreePath(joined)
    }

    /// Whether this path is `ancestor` or stands below it.
    public func isWithin(_ ancestor: TreePath) -> Bool {
        if ancestor.isRoot { return true }
        guard bytes.starts(with: ancestor.bytes) else { return false }
        return bytes.count == ancestor.bytes.count || bytes[ancestor.bytes.count] == TreePath.slash
    }

    /// The rest of this path below `ancestor`, without a leading `/`; nil where it is not below.
    public func relative(to ancestor: TreePath) -> ArraySlice<UInt8>? {
        guard isWithin(ancestor) else { return nil }
        if bytes.count == ancestor.bytes.count { return [] }
        return bytes[(ancestor.isRoot ? 1 : ancestor.bytes.count + 1)...]
    }
}

extension TreePath: Comparable {
    /// Orders a directory before its contents and compares component by component, bytewise.
    public static func < (left: TreePath, right: TreePath) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes) { rank($0) < rank($1) }
    }

    /// `/` sorts before every other byte, so that `/a/b` stands before `/a-b`.
    private static func rank(_ byte: UInt8) -> Int { byte == slash ? -1 : Int(byte) }
}

extension TreePath: CustomStringConvertible {
    /// The quoted form, safe for terminals and logs.
    public var description: String { Quoting.text(bytes) }
}
