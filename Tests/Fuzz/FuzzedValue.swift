/// Values that are read come back as they are written.
enum FuzzedValue {
    static func checkReport(_ data: [UInt8]) {
        do throws(RequestError) {
            let reports = try FileReport.parse(data)
            var writer = LineWriter()
            for report in reports { report.write(into: &writer) }
            promise(try FileReport.parse(writer.bytes) == reports, "a report comes back")
        } catch {
            promise(error.code == .badArgument, "a bad line is a bad argument")
            promise(error.field("line") != nil, "a bad line is told by its number")
            FuzzedLine.checkError(error, tag: nil)
        }
    }

    static func checkQuoting(_ data: [UInt8]) {
        do throws(RequestError) {
            for quoted in [Quoting.quote(data), Quoting.quoteAlways(data)] {
                promise(quoted.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "no control byte is shown")
                promise(String(validating: quoted, as: UTF8.self) != nil, "what is shown is UTF-8")
                promise(try Quoting.unquote(quoted) == data, "what was quoted comes back")
            }
        } catch {
            promise(false, "what was quoted can be read")
        }
        // Most input is no argument or no list; then there is nothing to compare.
        if let value = try? Quoting.unquote(data) {
            promise(
                value == (try? Quoting.unquote(Quoting.quote(value))), "what was read is quoted")
        }
        if let list = try? Quoting.unquoteList(data) {
            var writer = LineWriter()
            for element in list { writer.operand(element) }
            promise(list == (try? Quoting.unquoteList(writer.bytes)), "a list comes back")
        }
    }

    static func checkNames(_ data: [UInt8]) {
        do throws(RequestError) {
            let path = try TreePath(data)
            var joined = TreePath.root
            for component in path.components { joined = try joined.appending(component) }
            promise(joined == path, "a path is made of its components")
            promise(path.isWithin(path.parent ?? .root), "a path is within its parent")
            promise(path.parent.map { $0 < path } ?? path.isRoot, "a parent stands before it")
        } catch {
            FuzzedLine.checkError(error, tag: nil)
        }
        checkGlob(data)
        checkTimes(data)
    }

    /// The pattern ends at the first NUL; the name follows.
    private static func checkGlob(_ data: [UInt8]) {
        let cut = data.firstIndex(of: 0) ?? data.count
        let name = Array(data[min(cut + 1, data.count)...])
        _ = Glob(Array(data[..<cut])).matches(name)
        let escaped = name.flatMap { [UInt8(ascii: "\\"), $0] }
        promise(Glob(escaped).matches(name), "an escaped name fits itself")
        promise(Glob([UInt8(ascii: "*")] + escaped).matches(name), "a star may stand for nothing")
        promise(Glob([UInt8(ascii: "*")]).matches(name), "a star fits every name")
    }

    private static func checkTimes(_ data: [UInt8]) {
        // Most input is no time, address, tag or number; then there is nothing to compare.
        if let time = try? WallTime(text: data) {
            promise(time == (try? WallTime(text: time.text)), "a time comes back")
        }
        if let endpoint = try? Endpoint(String(decoding: data, as: UTF8.self)) {
            promise(endpoint == (try? Endpoint(endpoint.description)), "an address comes back")
        }
        if let tag = Tag(text: data) { promise(tag.bytes == data, "a tag comes back") }
        if let number = Number.parse(data.span) {
            promise(String(number).utf8.elementsEqual(data), "a number comes back")
        }
        if data.count >= 12 {
            let seconds = data.prefix(8).reduce(Int64(0)) { $0 << 8 | Int64($1) }
            let nanoseconds = data[8..<12].reduce(Int32(0)) { $0 << 8 | Int32($1) }
            let time = WallTime(seconds: seconds, nanoseconds: nanoseconds)
            promise(time == (try? WallTime(text: time.text)), "any time can be written")
        }
    }
}
