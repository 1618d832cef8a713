import ArgumentParser
import DFSProtocol
import TOMLKit

/// A TOML file of options, read as if they stood on the command line before those that really do.
///
/// So a setting has the name, the checks and the messages of its option, and there is no second
/// table.
enum SettingsFile {
    /// Puts what the file named by `--config` says in front of the arguments that do not say it
    /// themselves.
    ///
    /// - Throws: `StartError` where the file can not be read, is no TOML, or has a setting that no
    ///   option has.
    static func merge(
        into arguments: [String], for program: (some ParsableCommand).Type
    ) throws(StartError) -> [String] {
        guard let path = value(of: "config", in: arguments) else { return arguments }
        guard let bytes = try readSmallFile(path) else {
            throw StartError("the configuration file \(shown(path)) does not exist")
        }
        let settings = try settings(in: bytes, of: path)
        var merged: [String] = []
        for setting in settings {
            try check(setting, isKnownTo: program, path)
            if !isGiven(setting.name, in: arguments) { merged += setting.arguments }
        }
        return merged + arguments
    }

    /// One line of the file.
    struct Setting: Equatable {
        var name: String
        var arguments: [String]
    }

    /// Reads the settings, ordered by name.
    static func settings(in bytes: [UInt8], of path: String) throws(StartError) -> [Setting] {
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw StartError("the configuration file \(shown(path)) is not UTF-8 text")
        }
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            throw StartError(
                "the configuration file \(shown(path)) is no TOML: \(error.description) "
                    + "(line \(error.source.begin.line))")
        } catch {
            throw StartError("the configuration file \(shown(path)) is no TOML: \(error)")
        }
        var settings: [Setting] = []
        for key in table.keys.sorted() {
            guard let value = table[key], let words = words(of: value, option: "--\(key)") else {
                throw StartError(
                    "in \(shown(path)), \(shown(key)) is not a string, an integer, true, false or a "
                        + "list of strings")
            }
            settings.append(Setting(name: key, arguments: words))
        }
        return settings
    }

    private static func words(of value: any TOMLValueConvertible, option: String) -> [String]? {
        if let text = value.string { return ["\(option)=\(text)"] }
        if let number = value.int { return ["\(option)=\(number)"] }
        if let isSet = value.bool { return isSet ? [option] : [] }
        guard let list = value.array else { return nil }
        var all: [String] = []
        for element in list {
            guard let text = element.string else { return nil }
            all.append("\(option)=\(text)")
        }
        return all
    }

    /// Asks the parser itself, so that there is no list of names to keep up.
    private static func check(
        _ setting: Setting, isKnownTo program: (some ParsableCommand).Type, _ path: String
    ) throws(StartError) {
        let isName = setting.name.utf8.allSatisfy {
            $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "-")
        }
        let isReserved = ["config", "help", "version"].contains(setting.name)
        if isName, !isReserved, isOption(setting.name, of: program) { return }
        throw StartError(
            "in \(shown(path)), \(shown(setting.name)) is no setting: the settings have the names of "
                + "the options that --help shows")
    }

    private static func isOption(
        _ name: String, of program: (some ParsableCommand).Type
    ) -> Bool {
        do {
            _ = try program.parse(["--\(name)"])
            return true
        } catch {
            return !program.message(for: error).hasPrefix("Unknown option")
        }
    }

    private static func value(of name: String, in arguments: [String]) -> String? {
        var found: String?
        for (index, argument) in arguments.enumerated() {
            if argument == "--\(name)", index + 1 < arguments.count { found = arguments[index + 1] }
            if argument.hasPrefix("--\(name)=") {
                found = String(argument.dropFirst(name.count + 3))
            }
        }
        return found
    }

    private static func isGiven(_ name: String, in arguments: [String]) -> Bool {
        arguments.contains { $0 == "--\(name)" || $0.hasPrefix("--\(name)=") }
    }
}
