import BertDrift
import BertErrors
import BertModel
import BertRuntime
import Bertq
import CommandSupport
import JSONText
import SystemLibrary

/// How much to find out about the drift.
enum DriftDepth {
  case none
  case summary
  case attribution
}

/// Texts in, results out, a pass at a time: memory does not grow with the number of texts.
struct TextRun: ~Copyable {
  private let session: Session
  private var source: TextSource
  private var writer: ResultWriter
  private let meter: DriftMeter?
  private var cut = 0
  /// Texts answered so far.
  private(set) var texts = 0

  init(
    session: Session, source: TextSource, format: OutputFormat, drift: DriftDepth
  ) throws(BertError) {
    let writer = try ResultWriter(session: session, format: format)
    meter = drift == .none ? nil : try Self.meter(session, drift)
    self.writer = writer
    self.session = session
    self.source = source
  }

  private static func meter(
    _ session: Session, _ depth: DriftDepth
  ) throws(BertError) -> DriftMeter {
    for precision in [Precision.float32, .int8] where !session.model.holds(precision) {
      throw BertError(
        .unsupported,
        "drift needs both paths, and the file holds no \(precision.rawValue) "
          + "weights: convert it again with --weights both", file: session.model.file.path)
    }
    return try DriftMeter(
      source: session.model.file, kernels: session.kernels, team: session.encoder.team,
      pooler: session.pooler(), normalizes: session.normalizes,
      attributes: depth == .attribution)
  }

  mutating func perform() throws(BertError) {
    var batch = TokenBatch()
    var items: [NumberedText] = []
    var bar = ProgressBar("encoding", besidesResults: true)
    defer { bar.finish() }
    var failure: BertError?
    while true {
      do throws(BertError) {
        guard let item = try read(into: &batch) else { break }
        items.append(item)
      } catch {
        // What came before the bad text is answered before the run ends.
        failure = error
        break
      }
      if batch.tokenCount >= session.encoder.tokenBudget { try encode(&batch, &items) }
      bar.update(source.progress.done, of: source.progress.total)
    }
    try encode(&batch, &items)
    try writer.finish()
    if cut > 0 { Console.note("note: --truncate cut \(cut) tokens") }
    if let failure { throw failure }
  }

  /// Adds the next text to a batch; nil when there is none.
  private mutating func read(into batch: inout TokenBatch) throws(BertError) -> NumberedText? {
    guard let item = try source.next() else { return nil }
    do throws(BertError) {
      cut += try session.model.append(
        item.input, to: &batch, truncates: session.truncates, wanting: session.wanted)
    } catch {
      throw item.place.locate(error)
    }
    return item
  }

  private mutating func encode(_ batch: inout TokenBatch, _ items: inout [NumberedText])
    throws(BertError)
  {
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
    texts += done.count
    try writer.flush()
    do throws(BertError) {
      try meter?.add(done, labels: ready.map { String(decoding: $0.input.text, as: UTF8.self) })
    } catch {
      throw ready.first?.place.locate(error, to: ready.last?.place) ?? error
    }
    batch.removeAll()
    items.removeAll(keepingCapacity: true)
  }

  /// What the drift was, when it was measured.
  borrowing func driftReport() throws(BertError) -> DriftReport? {
    try meter?.report(
      settings: DriftReport.Settings(
        fingerprint: session.model.fingerprint(.int8) ?? "", model: session.model.file.path,
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
