import CEditLine

/// Lines that are edited with libedit: keys, history and Tab.
///
/// Belongs to the main thread, from which libedit calls back.
final class EditedLines: LineSource {
    /// What Tab wants done with the line.
    enum TabAction {
        /// Nothing fits.
        case beep
        /// Text takes the place of what stands before the cursor.
        case replace(removedCharacters: Int, by: [UInt8])
        /// Names are shown below the line; where there are more, only these.
        case list([String], hasMore: Bool)
    }

    /// More names than this are shown only when the person says so.
    static let unaskedNames = 100

    private let prompt: () -> [UInt8]
    private let tab: (_ line: [UInt8], _ cursor: Int) -> TabAction
    private let isPromptStale: () -> Bool
    private var editor: OpaquePointer?
    /// What libedit was given last, with a zero byte at the end; lives until the next call.
    private var shownPrompt: UnsafeMutablePointer<CChar>?

    /// Opens the editor on the standard streams.
    ///
    /// Returns nil where the terminal can not be edited on: it is dumb, unknown, or none.
    init?(
        recalling history: [[UInt8]], prompt: @escaping () -> [UInt8],
        isPromptStale: @escaping () -> Bool,
        tab: @escaping (_ line: [UInt8], _ cursor: Int) -> TabAction
    ) {
        self.prompt = prompt
        self.tab = tab
        self.isPromptStale = isPromptStale
        let owner = dfs_editor_owner(
            context: Unmanaged.passUnretained(self).toOpaque(),
            prompt: { context in EditedLines.from(context).promptForEditor() },
            complete: { context, line, length, cursor in
                let bytes = Array(UnsafeBufferPointer(start: line, count: length))
                EditedLines.from(context).complete(bytes, cursor: cursor)
            },
            woken: { context in EditedLines.from(context).isPromptStale() ? 1 : 0 })
        editor = dfs_editor_open(
            "dfsh", owner, Int32(clamping: max(LineHistory.limit, history.count)))
        if editor == nil { return nil }
        for line in history { remember(line) }
    }

    deinit { close() }

    /// The context is this object, which closes the editor before it goes.
    private static func from(_ context: UnsafeMutableRawPointer?) -> EditedLines {
        guard let context else { preconditionFailure("libedit lost its context") }
        return Unmanaged<EditedLines>.fromOpaque(context).takeUnretainedValue()
    }

    func next() -> LineInput {
        guard let editor else { return .end }
        var text: UnsafePointer<UInt8>?
        var length = 0
        switch dfs_editor_read(editor, &text, &length) {
        case DFS_READ_LINE: return .line(Array(UnsafeBufferPointer(start: text, count: length)))
        case DFS_READ_INTERRUPTED: return .interrupted
        case DFS_READ_TERMINATED: return .terminated(dfs_signals_termination())
        default: return .end
        }
    }

    func remember(_ line: [UInt8]) {
        guard let editor else { return }
        dfs_editor_remember(editor, line, line.count)
    }

    func keep(_ limit: Int) {
        if let editor { dfs_editor_keep(editor, Int32(clamping: limit)) }
    }

    func close() {
        if let editor { dfs_editor_close(editor) }
        editor = nil
        shownPrompt?.deallocate()
        shownPrompt = nil
    }

    /// Writes text where the prompt will stand; to be called by what makes the prompt only.
    func write(_ text: String) {
        if let editor { print(text, editor) }
    }

    private func promptForEditor() -> UnsafePointer<CChar> {
        let bytes = prompt().filter { $0 != 0 }
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
        copy[bytes.count] = 0
        shownPrompt?.deallocate()
        shownPrompt = copy
        return UnsafePointer(copy)
    }

    private func complete(_ line: [UInt8], cursor: Int) {
        guard let editor else { return }
        switch tab(line, cursor) {
        case .beep: dfs_editor_beep(editor)
        case .replace(let removed, let text):
            dfs_editor_replace(editor, removed, text, text.count)
        case .list(let names, let hasMore): list(names, hasMore: hasMore, editor)
        }
    }

    private func list(_ names: [String], hasMore: Bool, _ editor: OpaquePointer) {
        dfs_editor_leave_line(editor)
        if hasMore || names.count > EditedLines.unaskedNames {
            let which = hasMore ? "the first" : "all"
            print("Show \(which) \(names.count) names? (y or n) ", editor)
            let key = dfs_editor_read_key(editor)
            let isYes = key == 0x79 || key == 0x59 || key == 0x20
            print(isYes ? "y\n" : "n\n", editor)
            guard isYes else { return }
        }
        var (columns, rows) = (Int32(0), Int32(0))
        dfs_terminal_size(1, &columns, &rows)
        // The last column of the screen stays empty: some terminals wrap there.
        let lines = Columns.fill(names, width: Int(columns) - 1)
        print(lines.joined(separator: "\n") + "\n", editor)
    }

    private func print(_ text: String, _ editor: OpaquePointer) {
        let bytes = Array(text.utf8)
        dfs_editor_print(editor, bytes, bytes.count)
    }
}
