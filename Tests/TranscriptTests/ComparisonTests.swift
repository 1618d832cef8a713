import Testing

/// Differences between what is expected and what was said, and what an update makes of them.
struct ComparisonTests {
    @Test func `a line of three dots is any lines`() {
        #expect(Comparison(["a", "...", "d"], ["a", "b", "c", "d"], [:]).holds)
        #expect(Comparison(["a", "...", "d"], ["a", "d"], [:]).holds)
        #expect(Comparison(["S: ..."], [], [:]).holds)
        #expect(!Comparison(["a", "...", "d"], ["a", "b", "c"], [:]).holds)
    }

    @Test(arguments: [
        (["a"], ["a", "b"]), (["a"], []), ([], ["a"]), (["a", "b"], ["b", "a"]),
        (["a", "b"], ["a"]),
    ])
    func `a line too many, too few or elsewhere is a difference`(
        expected: [String], actual: [String]
    ) {
        #expect(!Comparison(expected, actual, [:]).holds)
    }

    @Test func `a difference is shown with its place and what is around it`() {
        let comparison = Comparison(
            ["one", "two", "three", "four", "five", "six"],
            ["one", "two", "three", "four", "5", "and more", "six"], [:])

        #expect(comparison.firstDifference == 4)
        #expect(
            comparison.diff(path: "a.md", start: 10) == """
                --- a.md
                +++ what was said
                @@ -12,5 +12,6 @@
                 two
                 three
                 four
                -five
                +5
                +and more
                 six
                """)
    }

    @Test func `an update keeps the placeholders that still match`() {
        let comparison = Comparison(
            ["* file name=F1 size=6 mtime=[TIME] server=[S]", "OK count=1"],
            ["* file name=F1 mtime=2026-11-22T08:30:00Z size=7 server=fs1", "OK count=1"], [:])

        #expect(
            comparison.updated == [
                "* file name=F1 mtime=[TIME] size=7 server=[S]", "OK count=1",
            ])
    }

    @Test func `an update replaces a placeholder that no longer matches`() {
        #expect(Comparison(["at [TIME]"], ["at noon"], [:]).updated == ["at noon"])
        #expect(Comparison(["..."], [], [:]).updated == ["..."])
        #expect(Comparison(["a", "...", "b"], ["a", "c"], [:]).updated == ["a", "c"])
    }
}
