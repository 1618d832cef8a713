/// Tells one connection of a process from every other that it ever had.
public struct ConnectionID: Hashable, Comparable, Sendable {
    /// Counts from 1 in the order of arrival.
    public let number: UInt64

    /// Takes a number that was not used before in this process.
    public init(number: UInt64) { self.number = number }

    /// Orders connections by arrival.
    public static func < (left: ConnectionID, right: ConnectionID) -> Bool {
        left.number < right.number
    }
}

/// Tells one request from every other, over all connections of a process.
public struct RequestID: Hashable, Comparable, Sendable {
    /// The connection on which the request came.
    public let connection: ConnectionID
    /// Counts the connection's requests from 1.
    public let serial: UInt64

    /// Pairs a connection with a request's number on it.
    public init(connection: ConnectionID, serial: UInt64) {
        self.connection = connection
        self.serial = serial
    }

    /// Orders requests by connection, then by arrival.
    public static func < (left: RequestID, right: RequestID) -> Bool {
        (left.connection, left.serial) < (right.connection, right.serial)
    }
}
