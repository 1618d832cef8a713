// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "first-steps",
    dependencies: [.package(name: "dfs", path: "../..")],
    targets: [
        .executableTarget(
            name: "first-steps", dependencies: [.product(name: "DFSClient", package: "dfs")])
    ],
    swiftLanguageModes: [.v6]
)
