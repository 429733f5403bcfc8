import NIOCore
import Synchronization

/// One client's connection, as whoever answers its requests knows it.
package final class Connection: Sendable {
  private struct State {
    var isClosed = false
    var cancel: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  package init() {}

  /// Notes that the client is gone; what is computed for it ends.
  package func close() {
    let cancel = state.withLock { state in
      state.isClosed = true
      defer { state.cancel = nil }
      return state.cancel
    }
    cancel?()
  }

  /// Runs work that is cancelled when the client goes.
  package func run<Value: Sendable>(
    _ work: @escaping @Sendable () async -> Value
  ) async -> Value {
    let task = Task { await work() }
    let isClosed = state.withLock { state in
      if !state.isClosed { state.cancel = { task.cancel() } }
      return state.isClosed
    }
    if isClosed { task.cancel() }
    let value = await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
    state.withLock { $0.cancel = nil }
    return value
  }
}

/// All connections, by their channels.
package final class ConnectionTable: Sendable {
  private let connections = Mutex<[ObjectIdentifier: Connection]>([:])

  package init() {}

  /// How many there are.
  package var count: Int { connections.withLock { $0.count } }

  func open(_ channel: any Channel) -> Connection {
    let connection = Connection()
    connections.withLock { $0[ObjectIdentifier(channel as AnyObject)] = connection }
    return connection
  }

  func close(_ channel: any Channel) {
    let gone = connections.withLock {
      $0.removeValue(forKey: ObjectIdentifier(channel as AnyObject))
    }
    gone?.close()
  }

  /// The connection of a channel; one that stays open where it is not known.
  func find(_ channel: any Channel) -> Connection {
    connections.withLock { $0[ObjectIdentifier(channel as AnyObject)] } ?? Connection()
  }
}
