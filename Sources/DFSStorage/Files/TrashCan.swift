import CPosix
import Foundation
import Synchronization

/// The folder `.dfs/trash`: a directory goes there in one step, and what was in it is removed
/// later.
///
/// One thread removes, so that nobody waits for a million files. What is left at the end of a run
/// is removed by the next one.
final class TrashCan: Sendable {
    /// Its name in `.dfs`.
    static let name = [UInt8]("trash".utf8)

    private enum Work {
        case none
        case wanted
        case stopped
        case finished
    }

    private let state: Descriptor?
    private let condition = NSCondition()
    private let work = Mutex(Work.finished)
    private let names = Atomic<Int64>(0)

    /// Takes `.dfs`; nil for an export that can not be written.
    init(in state: Descriptor?) { self.state = state }

    /// Starts the thread, which first removes what an earlier run left.
    func start() {
        set(.wanted)
        NamedThread.start("dfs-trash") { [self] in
            while waitForWork() { removeAll() }
            set(.finished)
        }
    }

    /// Has everything in it removed soon.
    func empty() {
        condition.lock()
        work.withLock { if $0 == .none { $0 = .wanted } }
        condition.broadcast()
        condition.unlock()
    }

    /// Ends the thread, soon even in the middle of a large directory.
    func stop() {
        condition.lock()
        defer { condition.unlock() }
        work.withLock { if $0 != .finished { $0 = .stopped } }
        condition.broadcast()
        while work.withLock({ $0 }) != .finished { condition.wait() }
    }

    private func set(_ next: Work) {
        condition.lock()
        work.withLock { $0 = next }
        condition.broadcast()
        condition.unlock()
    }

    private func waitForWork() -> Bool {
        condition.lock()
        defer { condition.unlock() }
        while true {
            switch work.withLock({ $0 }) {
            case .none: condition.wait()
            case .stopped, .finished: return false
            case .wanted:
                work.withLock { $0 = .none }
                return true
            }
        }
    }

    private var isStopped: Bool { work.withLock { $0 } == .stopped }

    private func removeAll() {
        guard let state else { return }
        do throws(SystemError) {
            let trash = try Export.open(TrashCan.name, in: state, O_RDONLY | dfs_o_directory)
            try empty(trash)
        } catch {
            // What can not be removed now is tried at the next removal or start; its name is gone.
            return
        }
    }

    /// Removes everything; symlinks as such, and however deep directories go.
    private func empty(_ trash: Descriptor) throws(SystemError) {
        var failures = 0
        while !isStopped {
            let names = try DirectoryReader.names(of: trash)
            if names.count == failures { return }
            failures = 0
            for name in names where !isStopped {
                do throws(SystemError) { try destroy(name, in: trash) } catch { failures += 1 }
            }
        }
    }

    /// Removes one name; directories in it move up to the top, so that two descriptors do for any
    /// depth.
    private func destroy(_ name: [UInt8], in trash: Descriptor) throws(SystemError) {
        if try unlink(name, in: trash) { return }
        let directory = try Export.open(name, in: trash, O_RDONLY | dfs_o_directory)
        for entry in try DirectoryReader.names(of: directory) {
            if isStopped { return }
            if try unlink(entry, in: directory) { continue }
            let place = [UInt8]("up-\(names.add(1, ordering: .relaxed).newValue)".utf8)
            let code = withName(entry) { from in
                withName(place) { dfs_rename_new(directory.number, from, trash.number, $0) }
            }
            // A number that an earlier run left in the trash: the next round takes another.
            try SystemError.check(code)
        }
        try SystemError.check(withName(name) { dfs_unlink(trash.number, $0, 1) })
    }

    /// Removes what is no directory.
    ///
    /// - Returns: False for a directory.
    private func unlink(_ name: [UInt8], in directory: Descriptor) throws(SystemError) -> Bool {
        let code = withName(name) { dfs_unlink(directory.number, $0, 0) }
        if code == -EISDIR || code == -EPERM { return false }
        try SystemError.check(code)
        return true
    }
}
