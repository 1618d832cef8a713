import DFSShell
import Glibc

// Arguments are bytes: a name that is not UTF-8 must reach its file.
let arguments = UnsafeBufferPointer(
    start: CommandLine.unsafeArgv, count: Int(CommandLine.argc)
).dropFirst().map { argument in
    argument.map { Array(UnsafeBufferPointer(start: $0, count: strlen($0))) } ?? []
}
exit(Dfsh.run(arguments: arguments.map { $0.map { UInt8(bitPattern: $0) } }))
