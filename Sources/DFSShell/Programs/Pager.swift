import DFSClient
import DFSProtocol

/// Shows a file of the tree in the person's pager while its bytes arrive.
///
/// The pager starts with the first bytes, so that a file that can not be had starts none, and gets
/// no control byte of a file whatever it would do with one. Who leaves it ends the transfer.
struct Pager {
    let session: ShellSession
    /// A command line of `sh`.
    let command: String

    /// Shows one file.
    ///
    /// - Throws: Why the file could not be had, once the person has left what there was to see.
    func show(_ path: TreePath) async throws {
        let pipe = try PagerPipe(command: command)
        _ = await session.output.settle()
        try await withTaskCancellationHandler {
            try await show(path, through: pipe)
        } onCancel: {
            pipe.terminate()
        }
    }

    private func show(_ path: TreePath, through pipe: PagerPipe) async throws {
        var failure: (any Error)?
        do {
            try await pipe.output.whileRead { [session] in
                _ = try await session.client.fetch(path, verifies: false) { bytes in
                    if bytes.readableBytes == 0 { return }
                    try pipe.start()
                    try await pipe.output.content(bytes.readableBytesView)
                    pipe.output.flush()
                }
                _ = await pipe.output.settle()
            }
        } catch {
            failure = error
        }
        if failure != nil { _ = await pipe.output.settle() }
        let hasLeft = pipe.output.isBroken
        let code = await pipe.end()
        try Task.checkCancellation()
        if let code, code == 126 || code == 127 {
            throw ShellFailure(
                .failed, "the pager \(Quoting.text([UInt8](command.utf8))) can not be started")
        }
        // Who leaves in the middle has seen enough.
        if let failure, !hasLeft { throw failure }
        if code == nil { session.output.complain("\(path): is empty") }
    }
}
