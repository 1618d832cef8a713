// swift-tools-version: 6.2
import PackageDescription

/// Settings of every target: a warning is an error.
let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")

// The targets stand in the order of the house: a target imports only what stands below it.
// Tests/HouseTests holds every `import` line against the table there.
let package = Package(
    name: "dfs",
    products: [
        .library(name: "DFSClient", targets: ["DFSClient"]),
        .executable(name: "dfs-nameserver", targets: ["dfs-nameserver"]),
        .executable(name: "dfs-fileserver", targets: ["dfs-fileserver"]),
        .executable(name: "dfsh", targets: ["dfsh"]),
        // For tests only: what they load into a server to make its calls fail.
        .library(name: "FaultShim", type: .dynamic, targets: ["FaultShim"]),
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
            name: "dfs-nameserver",
            dependencies: [
                "NameServerHost", "ServerCommand", "DFSCatalogueStore", "DFSTransport",
                "NameService", "DFSProtocol", argumentParser, logging,
            ], swiftSettings: strict),
        .executableTarget(
            name: "dfs-fileserver",
            dependencies: [
                "FileServerHost", "ServerCommand", "DFSProtocol", argumentParser, logging,
            ], swiftSettings: strict),
        .executableTarget(name: "dfsh", dependencies: ["DFSShell"], swiftSettings: strict),

        // Hosts: bind one core to sockets, disk and clock on one event loop.
        .target(
            name: "NameServerHost",
            dependencies: ["NameService", "DFSTransport", "DFSProtocol", nioCore, nioPosix],
            swiftSettings: strict),
        .target(
            name: "FileServerHost",
            dependencies: [
                "FileService", "DFSStorage", "DFSTransport", "DFSProtocol", nioCore, nioPosix,
            ], swiftSettings: strict),
        .target(
            name: "ServerCommand",
            dependencies: [
                "DFSProtocol", argumentParser, logging,
                .product(name: "TOMLKit", package: "TOMLKit"),
            ], swiftSettings: strict),

        // Front doors: for people and for Swift programs.
        .target(
            name: "DFSShell",
            dependencies: ["DFSClient", "DFSTransport", "DFSProtocol", "CEditLine"],
            swiftSettings: strict),
        .target(
            name: "DFSClient",
            dependencies: ["DFSTransport", "DFSProtocol", crypto, nioCore, nioPosix],
            swiftSettings: strict),

        // Edge: sockets, disk, database.
        .target(
            name: "DFSTransport", dependencies: ["DFSProtocol", nioCore, nioPosix],
            swiftSettings: strict),
        .target(
            name: "DFSStorage",
            dependencies: ["FileService", "DFSDatabase", "DFSProtocol", "CPosix", crypto],
            swiftSettings: strict),
        .target(
            name: "DFSCatalogueStore", dependencies: ["NameService", "DFSDatabase", "DFSProtocol"],
            swiftSettings: strict),
        .target(
            name: "DFSDatabase",
            dependencies: [
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ], swiftSettings: strict),

        // Cores: events in, actions out; no I/O, no clock, no chance.
        .target(
            name: "NameService", dependencies: ["DFSProtocol", "CProcessor"],
            swiftSettings: strict),
        .target(name: "FileService", dependencies: ["DFSProtocol"], swiftSettings: strict),

        // Language: verbs, requests, replies, errors, framing, names.
        .target(name: "DFSProtocol", swiftSettings: strict),

        // C: calls that Swift cannot make.
        .target(name: "CProcessor"),
        .target(name: "CPosix"),
        .target(name: "CEditLine", linkerSettings: [.linkedLibrary("edit")]),

        // The example of a program on DFSClient, so that it is built and run by the tests.
        .executableTarget(
            name: "first-steps", dependencies: ["DFSClient"],
            path: "Examples/Swift/Sources/first-steps", swiftSettings: strict),

        // Tests. TestCluster starts the real executables on loopback and speaks to them byte by byte.
        .target(
            name: "TestCluster", dependencies: ["DFSProtocol"], path: "Tests/TestCluster",
            swiftSettings: strict),
        .executableTarget(
            name: "unordered-fileserver",
            dependencies: [
                "FileServerHost", "ServerCommand", "DFSProtocol", argumentParser, logging,
            ], path: "Tests/UnorderedFileServer", swiftSettings: strict),
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
            name: "NameServerHostTests",
            dependencies: [
                "NameServerHost", "DFSTransport", "NameService", "DFSProtocol",
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ], swiftSettings: strict),
        .testTarget(
            name: "FileServerHostTests",
            dependencies: [
                "FileServerHost", "FileService", "DFSTransport", "DFSProtocol", nioCore, nioPosix,
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ], swiftSettings: strict),
        .testTarget(
            name: "ServerCommandTests",
            dependencies: ["ServerCommand", "TestCluster", "dfs-nameserver", "dfs-fileserver"],
            swiftSettings: strict),
        .testTarget(
            name: "DFSClientTests", dependencies: ["DFSClient", "TestCluster"],
            swiftSettings: strict),
        .testTarget(
            name: "DFSShellTests",
            dependencies: ["DFSShell", "TestCluster", "dfs-nameserver", "dfs-fileserver", "dfsh"],
            swiftSettings: strict),
        .testTarget(
            name: "TranscriptTests",
            dependencies: [
                "TestCluster", "dfs-nameserver", "dfs-fileserver", "dfsh", "first-steps",
            ], swiftSettings: strict),
        .target(name: "FaultShim", path: "Tests/FaultShim"),
        .testTarget(
            name: "FaultCampaignTests",
            dependencies: ["TestCluster", "CPosix", "dfs-nameserver", "dfs-fileserver"],
            swiftSettings: strict),
        .testTarget(
            name: "SessionCampaignTests",
            dependencies: [
                "TestCluster", "dfs-nameserver", "dfs-fileserver", "unordered-fileserver",
            ], swiftSettings: strict),
        .testTarget(
            name: "HouseTests", dependencies: [], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
