extension CommandSpecification {
    /// What `help` says of the command with `--json`.
    var object: JSONObject {
        [
            "command": .text(name), "group": .text(group.rawValue), "usage": .text(usage),
            "summary": .text(summary), "aliases": .list(aliases.map { .text($0) }),
            "options": .list(
                options.map {
                    .object([
                        "option": .text($0.typed), "value": .text($0.value?.placeholder),
                        "summary": .text($0.summary),
                    ])
                }),
            "examples": .list(
                examples.map {
                    .object(["line": .text($0.line), "meaning": .text($0.meaning)])
                }),
            "exits": .list(exits.map { .number(Int64($0.rawValue)) }),
        ]
    }
}

extension ShellSession {
    /// Prints lines of text, or with `--json` the objects that say the same.
    func show(_ lines: [String], as objects: @autoclosure () -> [JSONObject]) {
        if output.isJSON {
            for object in objects() { output.object(object) }
        } else {
            for line in lines { output.line(line) }
        }
    }
}
