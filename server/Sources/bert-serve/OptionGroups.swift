import ArgumentParser
import BertServe
import Bertq
import Logging

/// Where the server listens, and who may ask.
struct ListeningOptions: ParsableArguments {
  @Option(help: "The address; 127.0.0.1 by default. (BERTQ_HOST)")
  var host: String?
  @Option(help: "The port; 8080 by default, 0 for any that is free. (BERTQ_PORT)")
  var port: Int?
  @Option(
    name: .customLong("api-key-file"),
    help: """
      A file of keys, one a line; clients must send one. SIGHUP reads it again. \
      (BERTQ_API_KEY_FILE, or one key in BERTQ_API_KEY)
      """)
  var apiKeyFile: String?
  @Flag(help: "Answers anybody, on addresses too that others can reach. (BERTQ_NO_AUTH)")
  var noAuth = false
  @Option(
    help: """
      An origin whose pages may ask, such as https://example.org; repeat it. \
      (BERTQ_CORS_ORIGIN)
      """)
  var corsOrigin: [String] = []

  var keyFile: String? { apiKeyFile ?? Environment.text("BERTQ_API_KEY_FILE") }
  /// Keys never stand on the command line, where everybody on the machine can read them.
  var fixedKeys: [String] { Environment.text("BERTQ_API_KEY").map { [$0] } ?? [] }

  func apply(to settings: inout ServerSettings) throws(BertError) {
    settings.host = host ?? Environment.text("BERTQ_HOST") ?? settings.host
    if let port = try Environment.integer(port, "BERTQ_PORT", 0...65535) { settings.port = port }
    settings.corsOrigins =
      corsOrigin.isEmpty ? Environment.list("BERTQ_CORS_ORIGIN", separator: " ") : corsOrigin
  }
}

/// How models compute.
struct ComputingOptions: ParsableArguments {
  @Option(help: "int8 or float; int8 by default where the file has it. (BERTQ_PRECISION)")
  var precision: String?
  @Option(help: "Threads; by default the whole cores of this process's share. (BERTQ_THREADS)")
  var threads: Int?
  @Option(
    help: """
      Megabytes of answers kept for texts that come again; 64 by default. (BERTQ_CACHE_MB)
      """)
  var cacheMB: Int?
  @Option(
    help: """
      Milliseconds of waiting work for each core, above which requests are refused with \
      status 429; 250 by default, 0 for no limit. (BERTQ_QUEUE_MS)
      """)
  var queueMS: Int?

  func apply(to settings: inout ServerSettings) throws(BertError) {
    if let name = precision ?? Environment.text("BERTQ_PRECISION") {
      guard let precision = ModelOptions.Precision(rawValue: name) else {
        throw BertError(.usage, "the precision is '\(name)'; expected int8 or float")
      }
      settings.model.precision = precision
    }
    settings.model.threads =
      try Environment.integer(threads, "BERTQ_THREADS", 1...256) ?? ModelOptions.wholeCores
    let cache = try Environment.integer(cacheMB, "BERTQ_CACHE_MB", 0...1_000_000) ?? 64
    settings.model.cacheBytes = cache << 20
    if let queue = try Environment.integer(queueMS, "BERTQ_QUEUE_MS", 0...3_600_000) {
      settings.longestQueue = queue == 0 ? nil : .milliseconds(queue)
    }
  }
}

/// What clients may send.
struct RequestOptionGroup: ParsableArguments {
  @Option(help: "Texts of a request; 2048 by default. (BERTQ_MAX_INPUTS)")
  var maxInputs: Int?
  @Option(help: "Megabytes of a body; 32 by default. (BERTQ_MAX_BODY_MB)")
  var maxBodyMB: Int?
  @Option(help: "Connections at once; 1024 by default, others wait. (BERTQ_MAX_CONNECTIONS)")
  var maxConnections: Int?
  @Option(
    help: """
      Milliseconds that a request may take; no limit by default. (BERTQ_REQUEST_TIMEOUT_MS)
      """)
  var requestTimeoutMS: Int?
  @Flag(
    name: .customLong("accept-token-ids"),
    help: """
      Takes token ids of the model's own vocabulary instead of texts. \
      (BERTQ_ACCEPT_TOKEN_IDS)
      """)
  var acceptTokenIDs = false
  @Flag(
    help: """
      Cuts vectors to the dimensions asked for, and scales them again. \
      (BERTQ_ALLOW_DIMENSIONS)
      """)
  var allowDimensions = false
  @Flag(help: "Refuses other names for the only model than its own. (BERTQ_STRICT_MODEL)")
  var strictModel = false

  func apply(to settings: inout ServerSettings) throws(BertError) {
    if let count = try Environment.integer(maxInputs, "BERTQ_MAX_INPUTS", 1...1_000_000) {
      settings.inputLimit = count
    }
    if let size = try Environment.integer(maxBodyMB, "BERTQ_MAX_BODY_MB", 1...1024) {
      settings.bodyLimit = size << 20
      settings.memoryLimit = max(settings.memoryLimit, 8 * settings.bodyLimit)
    }
    if let count = try Environment.integer(maxConnections, "BERTQ_MAX_CONNECTIONS", 1...100_000) {
      settings.connectionLimit = count
    }
    settings.requestTimeout = try Environment.integer(
      requestTimeoutMS, "BERTQ_REQUEST_TIMEOUT_MS", 1...86_400_000
    ).map { .milliseconds($0) }
    settings.takesIDs = try Environment.flag(acceptTokenIDs, "BERTQ_ACCEPT_TOKEN_IDS")
    settings.takesDimensions = try Environment.flag(allowDimensions, "BERTQ_ALLOW_DIMENSIONS")
    settings.isStrict = try Environment.flag(strictModel, "BERTQ_STRICT_MODEL")
  }
}

/// How the server is watched and ended.
struct OperationOptions: ParsableArguments {
  @Option(help: "debug, info, warning or error; info by default. (BERTQ_LOG_LEVEL)")
  var logLevel: String?
  @Flag(help: "Logs a line for each request, never its texts. (BERTQ_ACCESS_LOG)")
  var accessLog = false
  @Option(
    help: """
      Milliseconds, after the signal to end, in which the server says that it is not ready \
      and still listens; 0 by default. (BERTQ_DRAIN_DELAY_MS)
      """)
  var drainDelayMS: Int?
  @Option(
    help: """
      Milliseconds after that for requests to be answered; 30000 by default. \
      (BERTQ_DRAIN_LIMIT_MS)
      """)
  var drainLimitMS: Int?
  @Option(help: "A file to write the port into, once it is open. (BERTQ_PORT_FILE)")
  var portFile: String?

  func apply(to settings: inout ServerSettings) throws(BertError) {
    if let name = logLevel ?? Environment.text("BERTQ_LOG_LEVEL") {
      guard let level = Logger.Level(rawValue: name.lowercased()) else {
        throw BertError(
          .usage, "the log's level is '\(name)'; expected debug, info, warning or error")
      }
      settings.logLevel = level
    }
    settings.logsRequests = try Environment.flag(accessLog, "BERTQ_ACCESS_LOG")
    let times = 0...3_600_000
    if let delay = try Environment.integer(drainDelayMS, "BERTQ_DRAIN_DELAY_MS", times) {
      settings.drainDelay = .milliseconds(delay)
    }
    if let limit = try Environment.integer(drainLimitMS, "BERTQ_DRAIN_LIMIT_MS", times) {
      settings.drainLimit = .milliseconds(limit)
    }
  }
}
