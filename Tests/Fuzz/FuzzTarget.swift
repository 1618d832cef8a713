/// The entry that libFuzzer calls; compiled together with Sources/DFSProtocol by `run.sh`.
///
/// The first byte chooses what the rest is taken for. Whatever the bytes are, nothing may trap, and
/// what each part promises must hold; a broken promise stops the program, which libFuzzer reports.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let choice = input.first else { return 0 }
    let rest = Array(input.dropFirst())
    switch choice % 8 {
    case 0, 1: FuzzedStream.check(rest, isServer: choice % 8 == 0)
    case 2: FuzzedLine.checkRequest(rest, role: .name)
    case 3: FuzzedLine.checkRequest(rest, role: .file)
    case 4: FuzzedLine.checkReply(rest)
    case 5: FuzzedValue.checkReport(rest)
    case 6: FuzzedValue.checkQuoting(rest)
    default: FuzzedValue.checkNames(rest)
    }
    return 0
}

/// Stops the program where a promise is broken, and says which.
func promise(_ holds: Bool, _ what: StaticString) {
    if holds { return }
    print("broken promise: \(what)")
    preconditionFailure()
}
