import Bertq
import Logging
import ServeMetrics
import ServeShapes
import Synchronization

/// What all requests share.
package final class Server: Sendable {
  package let settings: ServerSettings
  package let models: ServedModels
  package let keys: ApiKeys
  package let metrics: MetricsRegistry
  /// Connections that are open.
  let connections = Atomic<Int>(0)
  package let memory: ByteBudget
  package let logger: Logger
  let instruments: Instruments
  let date = ResponseDate()
  private let draining = Atomic<Bool>(false)

  package init(
    _ settings: ServerSettings, models: ServedModels, keys: ApiKeys, metrics: MetricsRegistry,
    logger: Logger
  ) {
    self.settings = settings
    self.models = models
    self.keys = keys
    self.metrics = metrics
    self.logger = logger
    memory = ByteBudget(settings.memoryLimit)
    instruments = Instruments(metrics)
  }

  /// Whether the server is about to end.
  package var isDraining: Bool { draining.load(ordering: .relaxed) }

  /// Says no to readiness from now on.
  package func drain() { draining.store(true, ordering: .relaxed) }

  /// What clients may send as texts.
  package var limits: TextList.Limits {
    TextList.Limits(inputs: settings.inputLimit, takesIDs: settings.takesIDs)
  }

  /// Reads models and keys again; what cannot be read stays as it was, and the log says so.
  package func reload() {
    var failures: [BertError] = []
    // Keys first: one that was taken away opens nothing while models are verified.
    do throws(BertError) { try keys.reload() } catch { failures.append(error) }
    failures += models.reload()
    instruments.noteModels(models.all)
    for error in failures {
      logger.error("not reloaded: what was there stays", metadata: ["reason": "\(error)"])
    }
    logger.info(
      failures.isEmpty ? "reloaded" : "reloaded what could be read",
      metadata: ["fingerprints": "\(models.all.map(\.model.fingerprint).joined(separator: ","))"])
  }
}
