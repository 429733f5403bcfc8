import Bertq
import Logging
import NIOCore

/// How a server is run.
package struct ServerSettings: Sendable {
  /// The address to listen on.
  package var host = "127.0.0.1"
  /// The port; 0 for any that is free.
  package var port = 8080
  /// What models are opened with.
  package var model = ModelOptions()
  /// Waiting work for each core above which requests are refused; nil takes all.
  package var longestQueue: Duration? = .milliseconds(250)
  /// The longest that a request may take; nil for any time.
  package var requestTimeout: Duration?
  /// Bytes of a body.
  package var bodyLimit = 32 << 20
  /// Texts of a request.
  package var inputLimit = 2048
  /// Connections at once; others wait.
  package var connectionLimit = 1024
  /// Bytes that requests and answers take at once.
  package var memoryLimit = 256 << 20
  /// Seconds that an idle connection is kept.
  package var idleTimeout: Int64 = 75
  /// Seconds in which a request's body must come.
  package var bodyTimeout: Int64 = 60
  /// Takes token ids of the model's own vocabulary.
  package var takesIDs = false
  /// Takes `dimensions` of any model.
  package var takesDimensions = false
  /// Refuses model names that are none of ours.
  package var isStrict = false
  /// Origins whose pages may ask; `*` for all.
  package var corsOrigins: [String] = []
  /// Logs a line for each request.
  package var logsRequests = false
  package var logLevel = Logger.Level.info
  /// Between the signal to end and the end of listening.
  package var drainDelay: Duration = .zero
  /// For requests to be answered after that.
  package var drainLimit: Duration = .seconds(30)

  package init() {}
}
