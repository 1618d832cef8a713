import CPosix
import Foundation

/// A thread that the kernel shows by name, in `top -H` and to whoever looks for what it does.
enum NamedThread {
    /// Starts one; it ends with the body.
    ///
    /// - Parameter name: At most 15 bytes. It is given by the thread itself: Foundation's name of a
    ///   thread that has not begun does not reach the kernel.
    static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        Thread {
            dfs_name_thread(name)
            body()
        }.start()
    }
}
