// swift-tools-version: 6.2
import PackageDescription

/// Every target is compiled in language mode 6, and a warning is an error.
let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

/// The targets stand in the order of the house: a target imports only what stands below it.
/// Tests/HouseTests holds every `import` line against the table there.
let package = Package(
    name: "dfs",
    products: [
        .library(name: "DFSClient", targets: ["DFSClient"]),
        .executable(name: "dfs-nameserver", targets: ["dfs-nameserver"]),
        .executable(name: "dfs-fileserver", targets: ["dfs-fileserver"]),
        .executable(name: "dfsh", targets: ["dfsh"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        // Executables: arguments, signals, logs; no decisions.
        .executableTarget(
            name: "dfs-nameserver", dependencies: ["NameServerHost", "ServerCommand"],
            swiftSettings: strict),
        .executableTarget(
            name: "dfs-fileserver", dependencies: ["FileServerHost", "ServerCommand"],
            swiftSettings: strict),
        .executableTarget(name: "dfsh", dependencies: ["DFSShell"], swiftSettings: strict),

        // Hosts: bind one core to sockets, disk and clock on one event loop.
        .target(
            name: "NameServerHost",
            dependencies: ["NameService", "DFSCatalogueStore", "DFSTransport"],
            swiftSettings: strict),
        .target(
            name: "FileServerHost",
            dependencies: ["FileService", "DFSStorage", "DFSTransport"],
            swiftSettings: strict),
        .target(
            name: "ServerCommand",
            dependencies: [
                "DFSProtocol",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "TOMLKit", package: "TOMLKit"),
            ],
            swiftSettings: strict),

        // Front doors: for people and for Swift programs.
        .target(
            name: "DFSShell", dependencies: ["DFSClient", "CEditLine"], swiftSettings: strict),
        .target(
            name: "DFSClient",
            dependencies: [
                "DFSTransport", "DFSProtocol",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),

        // Edge: sockets, disk, database.
        .target(
            name: "DFSTransport",
            dependencies: [
                "DFSProtocol",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .target(
            name: "DFSStorage",
            dependencies: [
                "FileService", "DFSDatabase", "CPosix",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .target(
            name: "DFSCatalogueStore", dependencies: ["NameService", "DFSDatabase"],
            swiftSettings: strict),
        .target(
            name: "DFSDatabase",
            dependencies: [.product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: strict),

        // Cores: events in, actions out; no I/O, no clock, no chance.
        .target(name: "NameService", dependencies: ["DFSProtocol"], swiftSettings: strict),
        .target(name: "FileService", dependencies: ["DFSProtocol"], swiftSettings: strict),

        // Language: verbs, requests, replies, errors, framing, names.
        .target(name: "DFSProtocol", swiftSettings: strict),

        // C: calls that Swift cannot make.
        .target(name: "CPosix"),
        .target(name: "CEditLine", linkerSettings: [.linkedLibrary("edit")]),

        // Tests. TestCluster starts the real executables on loopback and speaks to them byte by byte.
        .target(
            name: "TestCluster", dependencies: ["DFSProtocol"], path: "Tests/TestCluster",
            swiftSettings: strict),
        .testTarget(
            name: "DFSProtocolTests", dependencies: ["DFSProtocol"], swiftSettings: strict),
        .testTarget(
            name: "NameServiceTests", dependencies: ["NameService"], swiftSettings: strict),
        .testTarget(
            name: "FileServiceTests", dependencies: ["FileService"], swiftSettings: strict),
        .testTarget(
            name: "DFSTransportTests",
            dependencies: [
                "DFSTransport", .product(name: "NIOEmbedded", package: "swift-nio"),
            ], swiftSettings: strict),
        .testTarget(
            name: "DFSStorageTests", dependencies: ["DFSStorage"], swiftSettings: strict),
        .testTarget(
            name: "DFSCatalogueStoreTests", dependencies: ["DFSCatalogueStore", "DFSDatabase"],
            swiftSettings: strict),
        .testTarget(
            name: "ServerCommandTests",
            dependencies: ["ServerCommand", "TestCluster", "dfs-nameserver"],
            swiftSettings: strict),
        .testTarget(
            name: "DFSClientTests", dependencies: ["DFSClient", "TestCluster"], swiftSettings: strict),
        .testTarget(
            name: "DFSShellTests", dependencies: ["DFSShell", "TestCluster"], swiftSettings: strict),
        .testTarget(
            name: "TranscriptTests", dependencies: ["TestCluster", "dfs-nameserver", "dfs-fileserver", "dfsh"], swiftSettings: strict),
        .testTarget(
            name: "HouseTests", dependencies: [], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
