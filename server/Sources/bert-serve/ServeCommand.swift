import ArgumentParser
import BertServe
import Bertq
import Dispatch
import Logging
import ServeMetrics
import Synchronization

@main
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bert-serve",
    abstract: "Serves BERT-like encoders over HTTP, to the clients that people have.",
    discussion: """
      One file, or several with names: bert-serve small=a.bertq large=b.bertq

      It speaks OpenAI's, text-embeddings-inference's, Ollama's and Cohere's interfaces at once; docs/serving.md \
      lists the routes. Each option can be given by an environment variable too, which its help names; the \
      option wins.
      """,
    version: "bertq \(Release.version)")

  @Argument(help: "A model: FILE, or NAME=FILE. (BERTQ_MODELS, separated by spaces)")
  var models: [String] = []

  @OptionGroup(title: "Listening") var listening: ListeningOptions
  @OptionGroup(title: "Computing") var computing: ComputingOptions
  @OptionGroup(title: "Requests") var requests: RequestOptionGroup
  @OptionGroup(title: "Operation") var operation: OperationOptions

  func run() throws {
    do {
      let server = try server()
      let portFile = operation.portFile ?? Environment.text("BERTQ_PORT_FILE")
      // Whoever waits for it would wait for ever.
      if let portFile, !SmallFile.canWrite(portFile) {
        throw BertError(.cannotWrite, "the port cannot be written there", file: portFile)
      }
      try wait {
        try await ServeApplication.run(server) { port in
          if let portFile { SmallFile.write("\(port)\n", to: portFile) }
        }
      }
    } catch let error as BertError {
      StandardError.write(Array("error: \(error)\n".utf8))
      throw ExitCode(error.code.exitCode)
    }
  }

  /// Waits on this thread for what runs on others.
  ///
  /// An asynchronous `main` would end this thread, and for that a static program first sorts all that it
  /// knows of its functions' frames: half of its start.
  private func wait(for work: @escaping @Sendable () async throws -> Void) throws {
    final class Outcome: Sendable {
      let result = Mutex<Result<Void, any Error>>(.success(()))
      let isThere = DispatchSemaphore(value: 0)
    }
    let outcome = Outcome()
    Task.detached {
      do {
        try await work()
      } catch {
        outcome.result.withLock { $0 = .failure(error) }
      }
      outcome.isThere.signal()
    }
    outcome.isThere.wait()
    try outcome.result.withLock { $0 }.get()
  }

  private func server() throws -> Server {
    let names = models.isEmpty ? Environment.list("BERTQ_MODELS", separator: " ") : models
    if names.isEmpty {
      throw BertError(.usage, "no model is named; give a file: bert-serve MODEL.bertq")
    }
    var settings = ServerSettings()
    try listening.apply(to: &settings)
    try computing.apply(to: &settings)
    try requests.apply(to: &settings)
    try operation.apply(to: &settings)

    let level = settings.logLevel
    LoggingSystem.bootstrap { _ in LogLines(level: level) }
    let logger = Logger(label: "bert-serve")
    let keys = try ApiKeys(file: listening.keyFile, fixed: listening.fixedKeys)
    let isLocal = ["127.0.0.1", "::1", "localhost"].contains(settings.host)
    let answersAnybody = try Environment.flag(listening.noAuth, "BERTQ_NO_AUTH")
    if !isLocal, keys.areOpen, !answersAnybody {
      throw BertError(
        .usage,
        "on \(settings.host) others can reach the server, and no key is set; give --api-key-file, or "
          + "--no-auth if something in front of it checks who asks")
    }
    let served = try ServedModels(
      names.map(ServedModels.Source.init), options: settings.model, isStrict: settings.isStrict)
    for model in served.all {
      logger.info(
        "model",
        metadata: [
          "name": "\(model.name)", "task": "\(model.model.task)",
          "fingerprint": "\(model.model.fingerprint)",
          "precision": "\(model.model.precision.rawValue)", "threads": "\(model.model.threads)",
        ])
    }
    return Server(
      settings, models: served, keys: keys, metrics: MetricsRegistry(), logger: logger)
  }
}
