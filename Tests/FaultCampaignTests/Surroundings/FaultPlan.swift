import Glibc
import TestCluster

/// Tells the shim in a server which of its next calls fail.
///
/// Both map one small file, so that a plan changes without a restart. See
/// Tests/FaultShim/include/FaultShim.h for its fields.
final class FaultPlan: Sendable {
    /// What a call does; the raw values are the shim's.
    enum Call: UInt64, CaseIterable, Sendable {
        case open, read, write, sync, rename, unlink, truncate, makeFolder, list
    }

    /// Whose calls are meant.
    enum Place: UInt64, Sendable {
        /// Files that are served, in calls that requests make.
        case served
        /// What the server keeps in `.dfs`.
        case own
        /// Files that are served, in calls of the thread that follows others' changes.
        case following
    }

    private enum Field: Int { case armed, call, place, first, last, error, counted, fired }
    private static let fields = 8

    /// The file that both map.
    let path: String
    private let descriptor: Int32

    /// Makes the file, with nothing planned.
    init(in folder: String) throws {
        path = "\(folder)/plan"
        try FileSystem.write(
            [UInt8](repeating: 0, count: FaultPlan.fields * 8), to: Array(path.utf8))
        descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw TestFailure("the plan can not be opened") }
    }

    deinit { close(descriptor) }

    /// How a server is started under this plan; nil where the shim has not been built.
    func launch(_ exportFolder: [UInt8]) throws -> ClusterServer.Launch {
        let shim = try "\(Executable.folder)/libFaultShim.so"
        guard access(shim, R_OK) == 0 else {
            throw TestFailure("\(shim) is not there: build everything (swift build --build-tests)")
        }
        guard let real = realpath(String(decoding: exportFolder, as: UTF8.self), nil) else {
            throw TestFailure("no export: errno \(errno)")
        }
        defer { free(real) }
        var launch = ClusterServer.Launch()
        launch.environment = [
            "LD_PRELOAD=\(shim)", "DFS_FAULT_PLAN=\(path)",
            "DFS_FAULT_ROOT=\(String(cString: real))",
        ]
        return launch
    }

    /// Plans that calls number `first` to `last` fail with an errno, counted from 1 from now on.
    func arm(
        _ call: Call, _ place: Place, _ numbers: ClosedRange<UInt64>, error: Int32
    ) throws {
        try put([0], at: .armed)
        try put(
            [
                call.rawValue, place.rawValue, numbers.lowerBound, numbers.upperBound,
                UInt64(error), 0, 0,
            ], at: .call)
        try put([1], at: .armed)
    }

    /// Lets every call through from now on.
    func disarm() throws { try put([0], at: .armed) }

    /// Calls that were meant since the plan was made.
    var counted: UInt64 { get throws { try get(.counted) } }

    /// How many of them failed.
    var fired: UInt64 { get throws { try get(.fired) } }

    private func put(_ values: [UInt64], at field: Field) throws {
        let count = values.count * 8
        guard pwrite(descriptor, values, count, field.rawValue * 8) == count else {
            throw TestFailure("the plan can not be written")
        }
    }

    private func get(_ field: Field) throws -> UInt64 {
        var value: UInt64 = 0
        guard pread(descriptor, &value, 8, field.rawValue * 8) == 8 else {
            throw TestFailure("the plan can not be read")
        }
        return value
    }
}
