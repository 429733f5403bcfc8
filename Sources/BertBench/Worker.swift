import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import ByteFiles
import JSONText
import SystemLibrary

/// Answers one JSON object a line, so that runs can take turns with those of other runtimes.
///
/// `tools/peers/README.md` has the protocol.
package struct Worker {
  private let model: ServedModel
  private let precision: Precision
  private let threads: Int
  private let kernels: KernelSet
  private let encoder: BertEncoder
  /// What is computed behind the encoder where rows are asked about; nil where the model has none.
  private let head: (any Head)?
  private var workloads: [String: Load] = [:]

  /// Batches, and whether the model's head is asked about their rows.
  private struct Load {
    let batches: [TokenBatch]
    let asksHead: Bool
  }

  /// A worker for one model, precision and number of threads.
  package init(
    model: ServedModel, precision: Precision, threads: Int, kernels: KernelSet
  ) throws(BertError) {
    self.model = model
    self.precision = precision
    self.threads = threads
    self.kernels = kernels
    let team = ThreadTeam(count: threads)
    encoder = try model.encoder(precision, kernels: kernels, team: team)
    head = try HeadSource(model.file, precision: precision, kernels: kernels, team: team)
      .headOfTask()
  }

  /// Answers every line of standard input.
  ///
  /// - Parameter write: takes an answer, one line without its end.
  package mutating func serve(_ write: (String) -> Void) throws(BertError) {
    let ready: JSON = [
      "ready": "bertq", "version": .string(Release.version), "kernel": .string(kernels.name),
    ]
    write(ready.text())
    let reader = try LineReader(path: nil)
    while let line = try reader.next() {
      do throws(BertError) {
        write(try respond(to: try JSON.parse(line)).text())
      } catch {
        write((["error": .string("\(error)")] as JSON).text())
      }
    }
  }

  private mutating func respond(to request: JSON) throws(BertError) -> JSON {
    if let name = request["set"]?.stringValue {
      workloads[name] = Load(
        batches: try batches(request["batches"], rows: request["rows"]),
        asksHead: request["rows"] != nil)
      return ["ok": true]
    }
    if let name = request["run"]?.stringValue {
      return try run(try workload(name), seconds: request["seconds"]?.numberValue ?? 0)
    }
    if let name = request["write"]?.stringValue, let file = request["file"]?.stringValue {
      return try write(try workload(name), to: file)
    }
    if let file = request["tokenize"]?.stringValue { return try tokenize(file) }
    if let text = request["open"]?.stringValue {
      return try open(untilIDsOf: text, times: request["times"]?.integerValue ?? 1)
    }
    throw BertError(
      .usage, "expected \"set\", \"run\", \"write\", \"tokenize\" or \"open\"")
  }

  /// Opens the model's file anew, so many times, and makes a text's ids: milliseconds from before the file is
  /// opened.
  private func open(untilIDsOf text: String, times: Int) throws(BertError) -> JSON {
    guard (1...100_000).contains(times) else {
      throw BertError(.usage, "\"times\" is \(times); it must be from 1 to 100000")
    }
    let input = TextInput(text: Array(text.utf8))
    var milliseconds: [JSON] = []
    var tokens = 0
    for _ in 0..<times {
      let start = StageClock.now()
      let opened = try ServedModel(path: model.file.path)
      var batch = TokenBatch()
      try opened.append(input, to: &batch, truncates: true)
      milliseconds.append(.number((StageClock.now() - start) * 1e3))
      tokens = batch.tokenCount
    }
    return ["ms": .array(milliseconds), "tokens": .integer(tokens)]
  }

  /// Makes every line of a file tokens, once, on this thread.
  private func tokenize(_ path: String) throws(BertError) -> JSON {
    let reader = try LineReader(path: path)
    var texts: [TextInput] = []
    while let line = try reader.next() { texts.append(TextInput(text: line)) }
    let start = StageClock.now()
    var tokens = 0
    for text in texts {
      var batch = TokenBatch()
      try model.append(text, to: &batch, truncates: true)
      tokens += batch.tokenCount
    }
    return ["seconds": .number(StageClock.now() - start), "tokens": .integer(tokens)]
  }

  private func workload(_ name: String) throws(BertError) -> Load {
    guard let load = workloads[name] else {
      throw BertError(.usage, "no workload was set as '\(name)'")
    }
    if load.asksHead && head == nil {
      throw BertError(.unsupported, "the model has no head that gives rows of scores")
    }
    return load
  }

  private func batches(_ json: JSON?, rows: JSON?) throws(BertError) -> [TokenBatch] {
    guard let list = json?.arrayValue else {
      throw BertError(.usage, "\"batches\" is no array of batches")
    }
    var batches: [TokenBatch] = []
    for (place, texts) in list.enumerated() {
      var batch = TokenBatch()
      let asked = Self.element(place, rows)
      for (index, ids) in (texts.arrayValue ?? []).enumerated() {
        let numbers = Self.numbers(ids).compactMap { Int32(exactly: $0) }
        let wanted = Self.element(index, asked).map { WantedRows.rows(Self.numbers($0)) }
        try batch.append(ids: numbers, wanting: wanted ?? .all, for: encoder.configuration)
      }
      batches.append(batch)
    }
    return batches
  }

  private static func numbers(_ json: JSON) -> [Int] {
    (json.arrayValue ?? []).compactMap(\.integerValue)
  }

  private static func element(_ index: Int, _ list: JSON?) -> JSON? {
    guard let list = list?.arrayValue, index < list.count else { return nil }
    return list[index]
  }

  /// A head's scores of the rows that are asked about.
  private func scores(_ batch: TokenBatch, _ head: any Head) throws(BertError) -> HeadScores {
    var scores = HeadScores(width: head.width)
    try encoder.encode(batch) { states throws(BertError) in
      try head.append(states, of: batch, to: &scores)
    }
    return scores
  }

  private func run(_ load: Load, seconds: Double) throws(BertError) -> JSON {
    let asked = load.asksHead ? head : nil
    let ceiling = Measurement.ceiling(encoder).rate
    var times: [JSON] = []
    let start = StageClock.now()
    repeat {
      let before = StageClock.now()
      for batch in load.batches {
        if let asked { _ = try scores(batch, asked) } else { try encoder.encode(batch) { _ in } }
      }
      times.append(.number((StageClock.now() - before) * 1e3))
    } while StageClock.now() - start < seconds
    return ["ms": .array(times), "ceiling_gmac_s": .number(ceiling / 1e9)]
  }

  private func write(_ load: Load, to path: String) throws(BertError) -> JSON {
    let asked = load.asksHead ? head : nil
    let width = asked?.width ?? encoder.configuration.hiddenSize
    var rows: [Float] = []
    for batch in load.batches {
      if let asked {
        rows += try scores(batch, asked).values
        continue
      }
      try encoder.encode(batch) { states in
        for token in states.tokens {
          rows += UnsafeBufferPointer(start: states.row(token), count: width)
        }
      }
    }
    try OutputFile.write(rows.withUnsafeBytes { Array($0) }, to: path)
    return ["tokens": .integer(rows.count / width), "hidden": .integer(width)]
  }
}
