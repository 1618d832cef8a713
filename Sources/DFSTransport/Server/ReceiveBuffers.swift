import NIOCore

/// Gives a connection memory for each read, and none for the time between.
///
/// NIO keeps the first buffers of a connection for as long as it lives, as many as it may read in
/// one turn: that is one here, and it is small. So ten thousand connections that have spoken cost
/// what ten thousand silent ones do, also after large payloads.
/// - Source: swift-nio, `NIOPooledRecvBufferAllocator`; LineServer sets `maxMessagesPerRead` to 1.
struct ReceiveBuffers: RecvByteBufferAllocator {
    /// Most requests that a person or a program sends first are no longer.
    static let firstBytes = 64

    private var sizes = AdaptiveRecvByteBufferAllocator(
        minimum: 1024, initial: 4096, maximum: 1 << 20)
    private var isFirst = true

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        isFirst ? allocator.buffer(capacity: Self.firstBytes) : sizes.buffer(allocator: allocator)
    }

    /// No hint, so that nothing is kept for the next read.
    func nextBufferSize() -> Int? { nil }

    /// - Returns: Always true, so that the next read asks for a buffer of its own.
    mutating func record(actualReadBytes: Int) -> Bool {
        if !isFirst { _ = sizes.record(actualReadBytes: actualReadBytes) }
        isFirst = false
        return true
    }
}
