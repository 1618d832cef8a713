extension Verb {
    /// The single entry from which parsing, HELP, completion and Protocol.md's table derive.
    ///
    /// The switch is exhaustive on purpose. A verb that the roles have differently has two rows.
    public var specifications: [VerbSpecification] {
        switch self {
        case .hello, .help, .ping, .status, .cancel, .quit: [common]
        case .stat, .list, .setAttributes: shared
        case .locate, .find, .diskUsage, .servers, .create, .makeDirectory, .remove, .rename,
            .watch:
            [forClientsOfTheNameServer]
        case .register, .report, .heartbeat, .goodbye, .done: [forFileServers]
        case .open, .read, .write, .append, .truncate, .sync, .close: [forSessions]
        case .renew, .resume, .follow, .handles, .kill: [forSessionsByHandle]
        case .fetch, .store, .pull, .digest: [forWholeFiles]
        }
    }

    private var common: VerbSpecification {
        let both = Role.allCases
        return switch self {
        case .hello:
            .init(
                both, [.required("version", .number)],
                options: [.optional("client", .text), .optional("caps", .text)],
                "Agrees on the protocol version and on capabilities.")
        case .help: .init(both, [.optional("verb", .verb)], "Lists the verbs of this server.")
        case .ping:
            .init(
                both, [.repeated("text", .text, mayBeAbsent: true)], "Answers with its operands.")
        case .cancel:
            .init(both, [.required("tag", .tag)], "Ends a tagged request that is in flight.")
        case .quit: .init(both, [], "Closes the connection after an answer.")
        default: .init(both, [], "Tells how this server is doing.")
        }
    }

    private var shared: [VerbSpecification] {
        switch self {
        case .stat:
            [
                .init([.name], [.path], options: [.server], "Tells what is known of a path."),
                .init(
                    [.file], [.required("path", .handleOrPath)],
                    "Tells what the disk says of a file."),
            ]
        case .list:
            [
                .init(
                    [.name], [.path], options: [.after, .limit],
                    "Lists a directory of the tree, with each file's server and state."),
                .init(
                    [.file], [.path], options: [.after, .limit],
                    "Lists a directory as this server has it on disk."),
            ]
        default:
            [
                .init(
                    [.name], [.path], options: [.mode, .mtime], effect: .changes,
                    "Changes a directory of the catalogue."),
                .init(
                    [.file], [.required("path", .handleOrPath)], options: [.mtime, .mode],
                    effect: .changes, "Changes permission bits or the time of the last change."),
            ]
        }
    }

    private var forClientsOfTheNameServer: VerbSpecification {
        switch self {
        case .locate:
            .init(
                [.name], [.repeated("path", .path)], options: [.server],
                "Names the file server that holds a file.")
        case .find:
            .init(
                [.name], [.path],
                options: [.optional("name", .glob), .fileType, .limit, .after],
                "Lists everything below a path.")
        case .diskUsage:
            .init([.name], [.path], "Counts files, directories and bytes below a path.")
        case .create:
            .init(
                [.name], [.path], options: [.server, .op], effect: .changes, repeatable: false,
                "Claims a new name and chooses the file server for it.")
        case .makeDirectory:
            .init(
                [.name], [.path], options: [.mode, .op], effect: .changes, repeatable: false,
                "Makes a directory in the catalogue.")
        case .remove:
            .init(
                [.name], [.path],
                options: [.optional("recursive", .choice(["yes"])), .fileType, .server, .op],
                effect: .changes, repeatable: false, "Removes a file or a directory, on disk too.")
        case .rename:
            .init(
                [.name], [.required("from", .path), .required("to", .path)],
                options: [.optional("replace", .choice(["yes"])), .op], effect: .changes,
                repeatable: false, "Renames a file or a directory within one server.")
        case .watch:
            .init(
                [.name], [.path], options: [.optional("since", .number)],
                "Sends a notice for every change below a path.")
        default: .init([.name], [], "Lists the file servers and their states.")
        }
    }

    private var forFileServers: VerbSpecification {
        let id = VerbSpecification.Operand.required("id", .serverID)
        return switch self {
        case .register:
            .init(
                [.name], [id, .repeated("mount", .path)],
                options: [
                    .required("addr", .text), .required("epoch", .number),
                    .optional("gen", .number),
                ], effect: .changes, "Makes this connection the file server's own.")
        case .report:
            .init(
                [.name], [id, .data],
                options: [
                    .optional("inventory", .choice(["more", "end"])), .optional("gen", .number),
                ], effect: .changes, "Tells what files there are, or what changed.")
        case .heartbeat:
            .init(
                [.name], [id],
                options: [
                    .required("seq", .number), .optional("epoch", .number),
                    .optional("free", .number), .optional("load", .number),
                ], effect: .changes, "Says that the file server is alive.")
        case .goodbye:
            .init(
                [.name], [id], options: [.optional("why", .choice(["stopped", "away"]))],
                effect: .changes, "Takes leave: of a planned stop, or with all folders away.")
        default:
            .init(
                [.name], options: [.required("op", .number), .optional("error", .text)],
                effect: .changes, "Answers what the name server asked of a file server.")
        }
    }

    private var forSessions: VerbSpecification {
        let file: [Role] = [.file]
        let offset = VerbSpecification.Operand.required("offset", .number)
        return switch self {
        case .open:
            .init(
                file,
                [.path, .required("mode", .choice(["r", "rw", "create", "create-new"]))],
                options: [
                    .optional("lease", .lease),
                    .optional("lock", .choice(["shared", "exclusive"])),
                    .optional("wait", .number), .ifVersion, .mode, .op,
                ], effect: .changes, repeatable: false, "Opens a session on a file.")
        case .read:
            .init(
                file, [.handle, .optional("offset", .number), .required("count", .number)],
                options: [.optional("as", .choice(["text"]))],
                "Reads at an offset, or from the session's cursor.")
        case .write:
            .init(
                file, [.handle, offset, .data], options: [.ifVersion], effect: .changes,
                "Writes at an offset.")
        case .append:
            .init(
                file, [.handle, .data], options: [.op], effect: .changes, repeatable: false,
                "Writes at the end of the file.")
        case .truncate:
            .init(
                file, [.handle, .required("size", .number)], effect: .changes,
                "Cuts or extends the file.")
        case .sync: .init(file, [.handle], effect: .changes, "Brings what was written to the disk.")
        default:
            .init(
                file, [.handle], effect: .changes, "Ends a session; what it wrote is on the disk.")
        }
    }

    private var forSessionsByHandle: VerbSpecification {
        let file: [Role] = [.file]
        return switch self {
        case .renew: .init(file, [.handle], "Starts the session's lease anew.")
        case .resume:
            .init(
                file, [.handle], options: [.required("token", .text)], effect: .changes,
                "Takes a session over to this connection.")
        case .follow:
            .init(
                file, [.handle, .required("offset", .number)],
                "Sends what is added to the file as it grows, until CANCEL.")
        case .kill:
            .init(file, [.handle], effect: .changes, "Ends a session, whoever holds it.")
        default: .init(file, [], options: [.after, .limit], "Lists the open sessions.")
        }
    }

    private var forWholeFiles: VerbSpecification {
        let range: [VerbSpecification.Operand] = [
            .optional("offset", .number), .optional("count", .number),
        ]
        return switch self {
        case .fetch:
            .init([.file], [.path] + range, "Reads a whole file, or a range, without a session.")
        case .store:
            .init(
                [.file], [.path, .data], options: [.mode, .mtime, .ifVersion, .op],
                effect: .changes,
                repeatable: false, "Replaces a whole file, atomically and durably.")
        case .pull:
            .init(
                [.file], [.path], options: [.required("source", .path), .op], effect: .changes,
                repeatable: false, "Copies a file from the file server that has it.")
        default: .init([.file], [.path] + range, "Tells the SHA-256 of a file or of a range.")
        }
    }
}
