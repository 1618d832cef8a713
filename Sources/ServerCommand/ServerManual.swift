import ArgumentParser
import DFSProtocol
import Foundation

/// The manual page of a server, for man(1): made of the options that its `--help` shows.
///
/// `--generate-manual` writes it, as `--generate-completion-script` of the parser writes what
/// shells complete: both are for who packages the product, and neither is an option to serve with.
enum ServerManual {
    /// What asks for the page, as the only argument.
    static let option = "--generate-manual"

    /// What the page is made of, as the parser tells it.
    struct Tool: Decodable {
        let command: Command
    }

    struct Command: Decodable {
        let commandName: String
        let abstract: String?
        let discussion: String?
        let arguments: [Argument]
    }

    struct Argument: Decodable {
        struct Name: Decodable {
            let kind: String
            let name: String

            var typed: String { (kind == "long" ? "--" : "-") + name }
        }

        let names: [Name]?
        let valueName: String?
        let abstract: String?
        let discussion: String?
        let defaultValue: String?
        let kind: String
        let shouldDisplay: Bool
    }

    /// The page in the language of man(7).
    ///
    /// - Throws: `DecodingError` where the parser describes itself otherwise than it did.
    static func text(of program: (some ServerProgram).Type) throws -> String {
        let description = program._dumpHelp()
        let tool = try JSONDecoder().decode(Tool.self, from: Data(description.utf8))
        return text(of: tool.command, usage: program.usageString(), program.role)
    }

    static func text(of command: Command, usage: String, _ role: Role) -> String {
        let name = command.commandName
        var lines = [
            ".TH \(escaped(name.uppercased())) 8 \(productDate) \"DFS \(productVersion)\" "
                + "\"System Administration\"",
            ".SH NAME", "\(escaped(name)) \\- \(escaped(phrase(command.abstract ?? "")))",
            ".SH SYNOPSIS",
        ]
        for (number, call) in usage.split(separator: "\n").enumerated() {
            if number > 0 { lines.append(".br") }
            lines.append(".B " + escaped(String(call.drop { $0 == " " })))
        }
        lines += [".SH DESCRIPTION"] + sentences(command.discussion ?? "") + [".SH OPTIONS"]
        for argument in command.arguments where argument.shouldDisplay {
            lines += item(heading(argument), summary(argument))
        }
        lines.append(".SH \"EXIT STATUS\"")
        for status in ExitStatus.allCases { lines += item("\(status.rawValue)", status.meaning) }
        let other = role == .name ? "dfs\\-fileserver" : "dfs\\-nameserver"
        lines += [".SH \"SEE ALSO\"", ".BR dfsh (1),", ".BR \(other) (8)"]
        return lines.joined(separator: "\n")
    }

    private static func heading(_ argument: Argument) -> String {
        let names = (argument.names ?? []).map(\.typed).joined(separator: ", ")
        guard argument.kind == "option", let value = argument.valueName else { return names }
        return "\(names) \(value)"
    }

    private static func summary(_ argument: Argument) -> String {
        let standard = argument.defaultValue.map { "(default: \($0))" }
        return [argument.abstract, argument.discussion, standard].compactMap { $0 }
            .joined(separator: " ")
    }

    private static func item(_ heading: String, _ text: String) -> [String] {
        [".TP", ".B " + escaped(heading)] + sentences(text)
    }

    /// Lines that the reader sees as one paragraph; each sentence begins one, as man(7) asks.
    private static func sentences(_ text: String) -> [String] {
        var lines: [String] = []
        var isNew = true
        for word in text.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
            let word = escaped(String(word))
            if let last = lines.last, !isNew, last.utf8.count + word.utf8.count < 78 {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(word)
            }
            isNew = word.hasSuffix(".") && !word.hasSuffix("..")
        }
        return lines
    }

    /// A sentence as the phrase that stands behind a name.
    private static func phrase(_ sentence: String) -> String {
        let words = sentence.hasSuffix(".") ? sentence.dropLast() : Substring(sentence)
        return words.prefix(1).lowercased() + words.dropFirst()
    }

    /// Text that stands for itself: no request, no escape, no hyphen that is broken or curled.
    static func escaped(_ text: String) -> String {
        let special: [Character: String] = [
            "\\": "\\e", "-": "\\-", "\"": "\\(dq", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha",
            "~": "\\(ti",
        ]
        let result = text.map { special[$0] ?? String($0) }.joined()
        return result.hasPrefix(".") ? "\\&" + result : result
    }
}
