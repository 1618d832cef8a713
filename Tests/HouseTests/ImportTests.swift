import Testing

/// The targets and what each may import; arrows go down only.
///
/// - Source: Package.swift; README.md, "How it is built".
private let mayImport: [String: Set<String>] = {
    let system: Set = ["Glibc", "Synchronization", "Dispatch"]
    let sockets: Set = ["NIOCore", "NIOPosix"]
    return [
        "DFSProtocol": [],
        "NameService": ["DFSProtocol", "CProcessor"],
        "FileService": ["DFSProtocol"],
        "DFSDatabase": system.union(["GRDB", "GRDBSQLite"]),
        "DFSCatalogueStore": system.union(["DFSProtocol", "NameService", "DFSDatabase"]),
        "DFSStorage": system.union([
            "DFSProtocol", "FileService", "DFSDatabase", "CPosix", "Crypto", "Foundation",
        ]),
        "DFSTransport": system.union(sockets).union(["DFSProtocol"]),
        "DFSClient": system.union(sockets).union(["DFSProtocol", "DFSTransport", "Crypto"]),
        "DFSShell": system.union(["DFSProtocol", "DFSTransport", "DFSClient", "CEditLine"]),
        "NameServerHost": system.union(sockets).union([
            "DFSProtocol", "NameService", "DFSTransport", "DFSCatalogueStore",
        ]),
        "FileServerHost": system.union(sockets).union([
            "DFSProtocol", "FileService", "DFSTransport", "DFSStorage",
        ]),
        // The parser describes itself in JSON, and has loaded Foundation for that anyway.
        "ServerCommand": system.union([
            "DFSProtocol", "ArgumentParser", "Logging", "TOMLKit", "Foundation",
        ]),
        "dfs-nameserver": system.union([
            "DFSProtocol", "DFSTransport", "NameService", "DFSCatalogueStore", "NameServerHost",
            "ServerCommand", "ArgumentParser", "Logging",
        ]),
        "dfs-fileserver": system.union([
            "DFSProtocol", "DFSTransport", "FileService", "FileServerHost", "ServerCommand",
            "ArgumentParser", "Logging",
        ]),
        "dfsh": system.union(["DFSShell"]),
    ]
}()

/// Targets of C, which have no Swift file.
private let targetsOfC: Set = ["CEditLine", "CPosix", "CProcessor"]

@Suite struct `The targets of the house` {
    @Test func `import only what stands below them`() {
        #expect(House.sources.count > 100, "the sources were not found")

        for file in House.sources {
            let allowed = mayImport[file.module] ?? []
            for module in file.imports {
                #expect(allowed.contains(module), "\(file.path) imports \(module)")
            }
        }
    }

    @Test func `are those of the table, each with at least one file`() {
        let folders = Set(
            House.paths(below: "Sources").compactMap { path in
                path.split(separator: "/").dropFirst().first.map(String.init)
            })

        #expect(folders == Set(mayImport.keys).union(targetsOfC))
        #expect(Set(House.sources.map(\.module)) == Set(mayImport.keys))
    }

    @Test func `import something, so that the rule looks at something`() {
        #expect(House.sources.filter { $0.imports.contains("DFSProtocol") }.count > 50)
        #expect(House.sources.contains { $0.imports.contains("GRDB") })
    }

    @Test(arguments: [
        ("import NIOCore", ["NIOCore"]), ("@testable import NameService", ["NameService"]),
        ("@_exported public import struct NIOCore.ByteBuffer", ["NIOCore"]),
        ("private import Glibc // for errno", ["Glibc"]), ("// import Foundation", []),
        ("let text = \"import Foundation\"", []), ("/* import Foundation */", []),
    ])
    func `have their import lines recognised`(line: String, modules: [String]) {
        #expect(SourceFile(path: "Sources/X/Y.swift", text: line).imports == modules)
    }
}
