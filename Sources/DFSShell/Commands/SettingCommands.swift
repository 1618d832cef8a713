import DFSProtocol

/// `set`, `unset`, `alias` and `unalias`: what an rc file is made of.
enum SettingCommands {
    static let all: [Command] = [
        Command(row: set, run: runSet),
        Command(row: unset, run: runUnset),
        Command(row: alias, run: runAlias),
        Command(row: unalias, run: runUnalias),
    ]

    private static let set = CommandSpecification(
        "set", .shell,
        [.init("setting", .setting, .optional), .init("value", .settingValue, .optional)],
        "Lists the settings, shows one, or changes it for this shell.",
        examples: [
            ("set", "all of them, with what they are for"),
            ("set deadline 2000", "waits of two seconds at most"),
            ("set timing on", "tells how long each command took"),
        ], exits: [.notFound])

    private static let unset = CommandSpecification(
        "unset", .shell, [.init("setting", .setting, .oneOrMore)],
        "Makes settings as they are where nobody set them.",
        examples: [("unset prompt", "the usual prompt")], exits: [.notFound])

    private static let alias = CommandSpecification(
        "alias", .shell,
        [.init("name", .alias, .optional), .init("command", .line, .any)],
        "Lists the aliases, shows one, or gives the beginning of a command a name.",
        examples: [
            ("alias ll ls -l", "ll /docs is ls -l /docs then"),
            ("alias count 'ls | wc -l'", "with | or ; the text stands in quotes"),
        ], exits: [.notFound])

    private static let unalias = CommandSpecification(
        "unalias", .shell, [.init("name", .alias, .oneOrMore)], "Forgets aliases.",
        examples: [("unalias ll", "ll is no command any more")], exits: [.notFound])

    // MARK: Settings

    private static func setting(_ word: Word) throws -> Setting {
        if let setting = Setting(rawValue: word.text) { return setting }
        let nearest = NearNames.first(word.bytes, among: Setting.allCases.map(\.rawValue))
        throw ShellFailure(
            .notFound,
            "\(word.shown) is no setting; " + (nearest.map { "did you mean \($0)? " } ?? "")
                + "set lists them")
    }

    private static func runSet(_ session: ShellSession, _ call: Invocation) async throws {
        let settings = session.state.withLock { $0.settings }
        guard let word = call.operands.first else {
            let rows = Setting.allCases.map {
                [$0.rawValue, shown($0, settings, session), $0.summary]
            }
            session.show(
                Columns.table(rows),
                as: rows.map {
                    ["setting": .text($0[0]), "value": .text($0[1]), "summary": .text($0[2])]
                })
            return
        }
        let setting = try SettingCommands.setting(word)
        guard call.operands.count > 1 else {
            let value = shown(setting, settings, session)
            return session.output.line(
                value,
                as: [
                    "setting": .text(setting.rawValue), "value": .text(value),
                    "summary": .text(setting.summary),
                ])
        }
        let value = call.operands[1].bytes
        try session.state.withLock { try $0.settings.set(setting, value) }
        session.applySettings()
    }

    private static func shown(
        _ setting: Setting, _ settings: Settings, _ session: ShellSession
    ) -> String {
        if let value = settings[setting] { return Word.typed(value) }
        switch setting {
        case .deadline: return "\(Amounts.milliseconds(session.client.options.deadline))"
        case .pager: return session.pager
        default: return Word.typed([UInt8](setting.usual.utf8))
        }
    }

    private static func runUnset(_ session: ShellSession, _ call: Invocation) async throws {
        for setting in try call.operands.map({ try SettingCommands.setting($0) }) {
            session.state.withLock { $0.settings.unset(setting) }
        }
        session.applySettings()
    }

    // MARK: Aliases

    private static func runAlias(_ session: ShellSession, _ call: Invocation) async throws {
        let aliases = session.state.withLock { $0.aliases }
        guard let name = call.operands.first else {
            for alias in aliases.all { show(alias.name, alias.text, session) }
            return
        }
        guard call.operands.count > 1 else {
            guard let text = aliases[name.bytes] else { throw missing(name) }
            return show(name.bytes, text, session)
        }
        let words = call.operands.dropFirst()
        let text = words.count == 1 ? words[1].bytes : words.map(\.source).joinedBySpaces
        try session.state.withLock { try $0.aliases.set(name.bytes, text) }
    }

    /// As it can be typed, in an rc file too.
    private static func show(_ name: [UInt8], _ text: [UInt8], _ session: ShellSession) {
        let quoted = String(decoding: Quoting.quoteAlways(text), as: UTF8.self)
        session.output.line(
            "alias \(Quoting.text(name)) \(quoted)",
            as: ["alias": .bytes(name), "command": .bytes(text)])
    }

    private static func runUnalias(_ session: ShellSession, _ call: Invocation) async throws {
        for name in call.operands {
            let isKnown = session.state.withLock { $0.aliases.remove(name.bytes) }
            guard isKnown else { throw missing(name) }
        }
    }

    private static func missing(_ name: Word) -> ShellFailure {
        ShellFailure(.notFound, "\(name.shown) is no alias; alias lists them")
    }
}

extension Collection where Element == [UInt8] {
    /// One text, with a space between.
    var joinedBySpaces: [UInt8] { Array(joined(separator: [UInt8(ascii: " ")])) }
}
