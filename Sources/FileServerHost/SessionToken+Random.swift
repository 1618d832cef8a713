import FileService

extension SessionToken {
    /// Makes a token from the system's source of random bits, which nobody can foresee.
    @Sendable static func random() -> SessionToken {
        var source = SystemRandomNumberGenerator()
        return SessionToken(high: source.next(), low: source.next())
    }
}
