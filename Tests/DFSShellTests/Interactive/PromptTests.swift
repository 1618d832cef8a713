import DFSProtocol
import Testing

@testable import DFSShell

/// What the prompt shows, and what Tab remembers.
struct PromptTests {
    private func prompt(_ directory: String, away: Bool = false, colours: Bool = false) -> String {
        let state = PromptState(directory: [UInt8](directory.utf8), isNameServerAway: away)
        return String(decoding: PromptText.bytes(state, hasColours: colours), as: UTF8.self)
    }

    @Test func `it has the directory, and says when the name server is away`() {
        #expect(prompt("/") == "dfsh /> ")
        #expect(prompt("/docs/2026") == "dfsh /docs/2026> ")
        #expect(prompt("/docs", away: true) == "dfsh /docs (name server away)> ")
    }

    @Test func `a directory's name can not write to the terminal`() {
        #expect(prompt("/a\u{1B}[2J\nb") == #"dfsh "/a\x1b[2J\nb"> "#)
        #expect(prompt("/a\u{1}b\u{1}") == #"dfsh "/a\x01b\x01"> "#)
    }

    @Test func `a long directory is shown by its end`() {
        let long = "/" + Array(repeating: "folder", count: 12).joined(separator: "/")

        #expect(prompt(long) == "dfsh …/folder> ")
        #expect(prompt("/" + String(repeating: "x", count: 200)).count == 56)
    }

    @Test func `colours stand between marks and never at the end`() {
        let text = prompt("/docs", away: true, colours: true)

        let parts = text.split(separator: "\u{1}", omittingEmptySubsequences: false)
        let seen = stride(from: 0, to: parts.count, by: 2).map { String(parts[$0]) }.joined()
        #expect(parts.count % 2 == 1)
        #expect(seen == "dfsh /docs (name server away)> ")
        #expect(parts.last == "> ")
    }

    @Test func `two sequences in a row are one, which libedit does not lose`() {
        let state = PromptState(
            directory: [UInt8]("/a".utf8), isNameServerAway: true, text: "%d%a%d%%")

        let text = String(decoding: PromptText.bytes(state, hasColours: true), as: UTF8.self)

        #expect(!text.contains("\u{1}\u{1}"))
        #expect(text.count { $0 == "\u{1}" } % 2 == 0)
    }

    @Test func `an answer is good for two seconds`() {
        var cache = CompletionCache()
        let subject = CompletionSubject.remote(directory: [UInt8]("/a/".utf8))
        let start = MonotonicTime(nanoseconds: 5)
        let answer = CompletionAnswer([.init("x")])
        cache.keep(answer, for: subject, at: start)

        #expect(cache.find(subject, at: start.advanced(milliseconds: 1999)) == answer)
        #expect(cache.find(subject, at: start.advanced(milliseconds: 2000)) == nil)
        #expect(cache.find(.remote(directory: []), at: start) == nil)
        #expect(cache.find(.local(directory: [UInt8]("/a/".utf8)), at: start) == nil)
    }

    @Test func `only so many answers are kept`() {
        var cache = CompletionCache()
        let start = MonotonicTime(nanoseconds: 0)
        for number in 0...CompletionCache.limit {
            cache.keep(CompletionAnswer(), for: .words(["\(number)"]), at: start)
        }

        #expect(cache.find(.words(["0"]), at: start) == nil)
        let last = cache.find(.words(["\(CompletionCache.limit)"]), at: start)
        #expect(last == CompletionAnswer())
    }

    @Test func `an answer that is whole serves what is typed behind it`() {
        let directory = [UInt8]("/a/".utf8)
        func subject(_ prefix: String, onlyDirectories: Bool = false) -> CompletionSubject {
            .remote(
                directory: directory, prefix: [UInt8](prefix.utf8),
                onlyDirectories: onlyDirectories)
        }
        let start = MonotonicTime(nanoseconds: 0)
        var cache = CompletionCache()
        cache.keep(CompletionAnswer([.init("xy")]), for: subject("x"), at: start)
        cache.keep(
            CompletionAnswer([.init("z1")], beginningOfMore: [0x7A]), for: subject("z"), at: start)
        cache.keep(
            CompletionAnswer(), for: subject("w", onlyDirectories: true), at: start)

        #expect(cache.find(subject("xy"), at: start) == CompletionAnswer([.init("xy")]))
        #expect(cache.find(subject("xy", onlyDirectories: true), at: start) != nil)
        #expect(cache.find(subject("xy"), at: start.advanced(milliseconds: 2000)) == nil)
        #expect(cache.find(subject(""), at: start) == nil)
        #expect(cache.find(subject("z1"), at: start) == nil)
        #expect(cache.find(subject("w1"), at: start) == nil)
    }
}
