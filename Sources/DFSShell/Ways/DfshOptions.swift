import DFSProtocol

/// How dfsh was called; read by hand, since an option parser would cost start-up time.
struct DfshOptions: Equatable, Sendable {
    /// Where commands come from.
    enum Source: Equatable, Sendable {
        /// Standard input: a person at a terminal, else a script.
        case standardInput
        case file([UInt8])
        /// The value of `-c`, cut like a line of a script.
        case line([UInt8])
        /// Words that are not cut again.
        case words([[UInt8]])
    }

    /// Where the trace goes.
    enum Trace: Equatable, Sendable {
        case none
        case standardError
        case file([UInt8])
    }

    var source = Source.standardInput
    /// As given with `-n`; nil for the environment's.
    var nameServers: [UInt8]?
    var echoes = false
    var keepsGoing = false
    var isJSON = false
    var trace = Trace.none
    var deadlineMilliseconds: Int64?
    var wantsHelp = false
    var wantsVersion = false

    /// Reads the arguments after the program's name.
    ///
    /// - Throws: `ShellFailure` with `usage`.
    init(_ arguments: [[UInt8]]) throws {
        var rest = arguments[...]
        while let argument = rest.first {
            let text = String(decoding: argument, as: UTF8.self)
            guard text.hasPrefix("-"), text != "-" else { break }
            rest = rest.dropFirst()
            if text == "--" { break }
            try take(text, argument, &rest)
        }
        guard !isJSON || trace != .standardError else {
            throw DfshOptions.misuse(
                "--json leaves no room for the trace on standard error; --trace=FILE writes it")
        }
        guard !rest.isEmpty else { return }
        guard source == .standardInput else {
            throw DfshOptions.misuse("a command stands alone, without -c or -f")
        }
        source = .words(Array(rest))
    }

    private mutating func take(
        _ text: String, _ argument: [UInt8], _ rest: inout ArraySlice<[UInt8]>
    ) throws {
        let (name, attached) = DfshOptions.cut(argument)
        if DfshOptions.flags.contains(name) {
            guard attached == nil else { throw DfshOptions.misuse("\(name) takes no value") }
            return raise(name)
        }
        if name == "--trace" {
            trace = attached.map(Trace.file) ?? .standardError
            return
        }
        guard DfshOptions.valued.contains(name) else {
            throw DfshOptions.misuse("\(Quoting.text(argument)) is no option")
        }
        guard let value = attached ?? rest.popFirst() else {
            throw DfshOptions.misuse("\(name) needs a value")
        }
        try set(name, value)
    }

    private static let flags = ["--echo", "--keep-going", "--json", "-h", "--help", "--version"]
    private static let valued = [
        "-n", "--name-server", "-c", "--commands", "-f", "--file", "--deadline",
    ]

    private mutating func raise(_ flag: String) {
        switch flag {
        case "--echo": echoes = true
        case "--keep-going": keepsGoing = true
        case "--json": isJSON = true
        case "--version": wantsVersion = true
        default: wantsHelp = true
        }
    }

    private mutating func set(_ name: String, _ value: [UInt8]) throws {
        switch name {
        case "-n", "--name-server": nameServers = value
        case "-c", "--commands": try choose(.line(value))
        case "-f", "--file": try choose(.file(value))
        default:
            guard let number = Number.parse(value.span), (1...86_400_000).contains(number) else {
                throw DfshOptions.misuse("--deadline takes milliseconds, from 1 to 86400000")
            }
            deadlineMilliseconds = number
        }
    }

    private mutating func choose(_ source: Source) throws {
        guard self.source == .standardInput else {
            throw DfshOptions.misuse("commands come from one place: -c or -f")
        }
        self.source = source
    }

    /// `--name=value` into its parts; a short option's value may be glued to it.
    private static func cut(_ argument: [UInt8]) -> (name: String, value: [UInt8]?) {
        func text(_ bytes: some Collection<UInt8>) -> String {
            String(decoding: bytes, as: UTF8.self)
        }
        if argument.starts(with: [UInt8]("--".utf8)) {
            guard let sign = argument.firstIndex(of: UInt8(ascii: "=")) else {
                return (text(argument), nil)
            }
            return (text(argument[..<sign]), Array(argument[(sign + 1)...]))
        }
        let value = argument.dropFirst(2)
        return (text(argument.prefix(2)), value.isEmpty ? nil : Array(value))
    }

    private static func misuse(_ text: String) -> ShellFailure {
        ShellFailure(.usage, "\(text); dfsh --help shows the options")
    }

    /// What `--help` prints.
    static let help = """
        usage: dfsh [options]                    talk to the tree, or run a script piped in
               dfsh [options] COMMAND ARG...     run one command; its words are taken as they are
               dfsh [options] -c 'CMD; CMD'      run a line of commands
               dfsh [options] -f FILE            run a script

        options
          -n HOST:PORT[,HOST:PORT]  name servers; else DFSH_NAMESERVER, else 127.0.0.1:7400
          --echo                    show each command before its output
          --keep-going              go on after a command that failed
          --json                    results and failures as JSON, one object a line
          --trace[=FILE]            show every line of the protocol, C: sent and S: received
          --deadline MS             give up a wait after so many milliseconds (10000)
          --version                 the protocol's version
          -h, --help                this

        In scripts, "-cmd" lets a failure pass, and "@cmd" is not echoed; # starts a comment.
        dfsh help lists the commands; dfsh help COMMAND tells all about one.
        Exit codes: 0 done, 1 failed, 2 not understood, 3 not found, 4 denied, 5 temporary,
        6 unreachable, 7 integrity, 8 exists or changed meanwhile, 130 interrupted.
        """
}
