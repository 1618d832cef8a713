import DFSProtocol

/// Walking below a directory in order: a directory before its contents, names compared bytewise.
extension Catalogue {
    /// One step of a walk: a node and its path relative to the walk's top, without a leading `/`.
    enum Verdict {
        case goOn
        /// Ends the walk; the node counts as visited.
        case stop
    }

    /// Visits what is below a directory, from behind a relative path on, for so many steps.
    ///
    /// A walk holds no state between calls but that path, so anything may change meanwhile.
    /// Entering at a path costs a search a level.
    /// - Parameter after: The relative path visited last; empty at the start. It need not exist
    ///   any more.
    /// - Returns: The path visited last, or nil where the walk is over.
    func walk(
        _ top: UInt32, after: [UInt8], steps: Int,
        _ visit: (UInt32, [UInt8]) -> Verdict
    ) -> [UInt8]? {
        var stack: [(order: Int, position: CatalogueChildren.Position)] = []
        var path: [UInt8] = []
        enter(top, after: after, &stack, &path)
        var left = steps
        while let level = stack.last {
            guard let node = orders[level.order].node(at: level.position) else {
                stack.removeLast()
                Catalogue.cut(&path)
                continue
            }
            orders[level.order].advance(&stack[stack.count - 1].position)
            let parentLength = path.count
            if parentLength > 0 { path.append(TreePath.slash) }
            path.append(contentsOf: names.bytes[nameRange(of: node)])
            left -= 1
            let verdict = visit(node, path)
            if verdict == .stop || left == 0 { return path }
            if records[Int(node)].isDirectory {
                stack.append((Int(records[Int(node)].children), .init(chunk: 0, index: 0)))
            } else {
                path.removeLast(path.count - parentLength)
            }
        }
        return nil
    }

    private static func cut(_ path: inout [UInt8]) {
        path.removeLast(path.count - (path.lastIndex(of: TreePath.slash) ?? 0))
    }

    /// Stands behind `after`: deeper where it is a directory that exists, else behind its name.
    private func enter(
        _ top: UInt32, after: [UInt8],
        _ stack: inout [(order: Int, position: CatalogueChildren.Position)], _ path: inout [UInt8]
    ) {
        var order = Int(records[Int(top)].children)
        if after.isEmpty {
            stack.append((order, .init(chunk: 0, index: 0)))
            return
        }
        for component in after.split(separator: TreePath.slash) {
            let name = Array(component)
            var position = position(of: name.span, in: order)
            guard let node = orders[order].node(at: position), compare(node, name.span) == 0 else {
                stack.append((order, position))
                return
            }
            orders[order].advance(&position)
            stack.append((order, position))
            guard records[Int(node)].isDirectory else { return }
            if !path.isEmpty { path.append(TreePath.slash) }
            path.append(contentsOf: name)
            order = Int(records[Int(node)].children)
        }
        stack.append((order, .init(chunk: 0, index: 0)))
    }
}
