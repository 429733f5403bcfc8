import BertDrift
import BertEngine
import BertErrors
import BertModel
import BertRuntime
import CommandSupport
import Glibc
import JSONText

/// Texts in, results out, a pass at a time: memory does not grow with the number of texts.
struct TextRun: ~Copyable {
  private let session: Session
  private var source: TextSource
  private var writer: ResultWriter
  private let meter: DriftMeter?
  private var cut = 0

  init(
    session: Session, source: TextSource, format: OutputFormat, drift: Bool
  ) throws(BertError) {
    self.session = session
    self.source = source
    writer = ResultWriter(session: session, format: format)
    meter = drift ? try Self.meter(session) : nil
  }

  private static func meter(_ session: Session) throws(BertError) -> DriftMeter {
    for precision in [Precision.float32, .int8] where !session.model.holds(precision) {
      throw BertError(
        .unsupported,
        "drift needs both paths, and the file holds no \(precision.rawValue) "
          + "weights: convert it again with --weights both", file: session.model.file.path)
    }
    func encoder(_ precision: Precision) throws(BertError) -> Encoder {
      try session.model.encoder(
        precision, kernels: session.kernels, team: session.encoder.team,
        tokenBudget: DriftMeter.tokenBudget)
    }
    return DriftMeter(
      reference: try encoder(.float32), other: try encoder(.int8), pooler: session.pooler,
      normalizes: session.normalizes)
  }

  mutating func perform() throws(BertError) {
    var batch = TokenBatch()
    var items: [Item] = []
    var bar = ProgressBar("encoding")
    defer { bar.finish() }
    while let item = try source.next() {
      do throws(BertError) {
        cut += try session.model.append(item.input, to: &batch, truncates: session.truncates)
      } catch {
        // What came before the bad text is answered before the run ends.
        try encode(&batch, &items)
        var error = error
        error.message = "text \(item.index): " + error.message
        throw error
      }
      items.append(item)
      if batch.tokenCount >= session.encoder.tokenBudget { try encode(&batch, &items) }
      bar.update(source.progress.done, of: source.progress.total)
    }
    try encode(&batch, &items)
    try writer.finish()
    if cut > 0 { Console.note("note: --truncate cut \(cut) tokens") }
  }

  private mutating func encode(_ batch: inout TokenBatch, _ items: inout [Item]) throws(BertError) {
    guard batch.count > 0 else { return }
    let (done, ready) = (batch, items)
    var failure: BertError?
    try session.encoder.encode(done) { states in
      for text in states.texts where failure == nil {
        do throws(BertError) {
          try writer.write(ready[text], states, done, text)
        } catch {
          failure = error
        }
      }
    }
    if let failure { throw failure }
    try writer.flush()
    try meter?.add(done)
    batch.removeAll()
    items.removeAll(keepingCapacity: true)
  }

  /// What the drift was, when it was measured.
  func driftReport() -> DriftReport? {
    meter?.report(
      fingerprint: session.model.fingerprint(.int8) ?? "",
      settings: DriftReport.Settings(
        kernels: session.kernels.name,
        quantizer: session.model.file.quantizer.map { (key: $0.key, value: $0.value) },
        date: Self.now()))
  }

  private static func now() -> String {
    var seconds = time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var text = [CChar](repeating: 0, count: 32)
    strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
