import Bertq
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServeMetrics
import ServiceLifecycle
import UnixSignals

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Runs a server until it is told to end.
package enum ServeApplication {
  /// The threads that read, write and tokenize short texts: few, since the cores are for the models.
  ///
  /// They live as long as the process. A connection that is being closed still schedules work when the
  /// services have ended, and a loop that was shut down under it would complain on standard error.
  private static let group = MultiThreadedEventLoopGroup(
    numberOfThreads: max(1, System.coreCount / 8))

  /// Listens, answers, reads its files again at SIGHUP, and ends at SIGTERM or SIGINT when all that was taken
  /// is answered.
  ///
  /// - Parameter onListening: is told the port.
  package static func run(
    _ server: Server, onListening: @escaping @Sendable (Int) -> Void = { _ in }
  ) async throws {
    let settings = server.settings
    server.instruments.noteModels(server.models.all)
    var times = ConnectionTimes()
    times.body = .seconds(settings.bodyTimeout)
    times.idle = .seconds(settings.idleTimeout)
    let listening = RequestChannel(server, times).server(
      configuration: ServerConfiguration(
        address: .hostname(settings.host, port: settings.port),
        availableConnectionsDelegate: .maximum(settings.connectionLimit, logger: server.logger)),
      onServerRunning: { channel in
        let port = channel.localAddress?.port ?? settings.port
        server.logger.info("listening", metadata: ["host": "\(settings.host)", "port": "\(port)"])
        onListening(port)
      },
      eventLoopGroup: group, logger: quiet(server.logger))
    var configuration = ServiceGroupConfiguration(
      services: [listening, Reloading(server: server), Draining(server: server)],
      gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet(server.logger))
    configuration.maximumGracefulShutdownDuration = settings.drainDelay + settings.drainLimit
    do {
      try await ServiceGroup(configuration: configuration).run()
    } catch {
      throw Self.described(error, settings)
    }
    server.logger.info("ended")
  }

  /// What the system, or a host's name, has against listening, in words that say what to do.
  private static func described(_ error: any Error, _ settings: ServerSettings) -> any Error {
    let place = "\(settings.host):\(settings.port)"
    switch error {
    case let error as IOError:
      let hint =
        switch error.errnoCode {
        case EADDRINUSE:
          "another program listens there; give another --port, or 0 for any that is free"
        case EACCES: "ports below 1024 are for privileged processes; give another --port"
        case EADDRNOTAVAIL: "no network of this machine has that address; give another --host"
        default: String(cString: strerror(error.errnoCode))
        }
      return BertError(.system, "cannot listen on \(place): \(hint)")
    case is SocketAddressError, is SocketAddressError.UnknownHost:
      return BertError(.usage, "--host '\(settings.host)' is no address, and no name that is known")
    default: return error
    }
  }

  /// What the framework tells us only when something is wrong.
  private static func quiet(_ logger: Logger) -> Logger {
    var logger = logger
    if logger.logLevel > .debug { logger.logLevel = .warning }
    return logger
  }
}

/// Reads files again when SIGHUP comes.
private struct Reloading: Service {
  let server: Server

  func run() async throws {
    let signals = await UnixSignalsSequence(trapping: .sighup)
    for await _ in signals.cancelOnGracefulShutdown() { server.reload() }
  }
}

/// Is the first to be told of the end: says so to whoever asks for readiness, and lets a while pass in which
/// nobody new is sent here.
private struct Draining: Service {
  let server: Server

  func run() async throws {
    try? await gracefulShutdown()
    server.drain()
    server.logger.info("draining")
    try? await Task.sleep(for: server.settings.drainDelay)
  }
}
