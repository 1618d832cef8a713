import DFSProtocol

/// What Tab does to a request that is half typed, by the protocol's own table of verbs.
enum WireCompletion {
    /// Decides from what stands before the cursor.
    ///
    /// - Parameter role: The server's, whose verbs those are.
    static func action(_ line: [UInt8], cursor: Int, role: Role) -> EditedLines.TabAction {
        let typed = String(decoding: line.prefix(cursor), as: UTF8.self)
        // Within quotation marks everything is a value.
        guard typed.count(where: { $0 == "\"" }).isMultiple(of: 2) else { return .beep }
        let words = typed.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        let current = words.last ?? ""
        var before = words.dropLast().filter { !$0.isEmpty }
        if before.first?.hasPrefix("@") == true { before.removeFirst() }
        guard let name = before.first else {
            return choose(current.uppercased(), instead: current, of: names(for: role), " ")
        }
        guard let verb = Verb([UInt8](name.utf8).span),
            let row = verb.specification(for: role)
        else { return .beep }
        return argument(current, behind: Array(before.dropFirst()), verb, row, role)
    }

    private static func names(for role: Role) -> [String] {
        Verb.all(for: role).map(\.rawValue).sorted()
    }

    private static func argument(
        _ current: String, behind words: [String], _ verb: Verb, _ row: VerbSpecification,
        _ role: Role
    ) -> EditedLines.TabAction {
        let places = words.count { !$0.contains("=") }
        if places < row.operands.count, row.operands[places].kind == .verb {
            return choose(current.uppercased(), instead: current, of: names(for: role), " ")
        }
        if let sign = current.firstIndex(of: "=") {
            let key = current[..<sign]
            guard let option = row.options.first(where: { $0.key == key }),
                case .choice(let values) = option.kind
            else { return .beep }
            return choose(current, instead: current, of: values.map { "\(key)=\($0)" }, " ")
        }
        if places < row.operands.count, case .choice(let values) = row.operands[places].kind,
            !current.isEmpty
        {
            return choose(current, instead: current, of: values, " ")
        }
        if current.isEmpty {
            // What may come is said rather than guessed.
            return .list(["\(verb.rawValue) \(row.syntax)"], hasMore: false)
        }
        let used = Set(words.compactMap { $0.split(separator: "=").first.map(String.init) })
        let keys = row.options.map(\.key).filter { !used.contains($0) }.map { "\($0)=" }
        return choose(current, instead: current, of: keys, "")
    }

    private static func choose(
        _ prefix: String, instead typed: String, of names: [String], _ ending: String
    ) -> EditedLines.TabAction {
        let found = names.filter { $0.hasPrefix(prefix) }
        guard let first = found.first else { return .beep }
        if found.count == 1 { return replace(typed, by: first + ending) }
        let common = Completion.commonPrefix(of: found.map { [UInt8]($0.utf8) })
        let text = String(decoding: common, as: UTF8.self)
        return text.count > typed.count ? replace(typed, by: text) : .list(found, hasMore: false)
    }

    private static func replace(_ typed: String, by text: String) -> EditedLines.TabAction {
        .replace(removedCharacters: typed.unicodeScalars.count, by: [UInt8](text.utf8))
    }
}
