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
  private var workloads: [String: [TokenBatch]] = [:]

  /// A worker for one model, precision and number of threads.
  package init(
    model: ServedModel, precision: Precision, threads: Int, kernels: KernelSet
  ) throws(BertError) {
    self.model = model
    self.precision = precision
    self.threads = threads
    self.kernels = kernels
    encoder = try model.encoder(precision, kernels: kernels, team: ThreadTeam(count: threads))
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
      workloads[name] = try batches(request["batches"])
      return ["ok": true]
    }
    if let name = request["run"]?.stringValue {
      return try run(try workload(name), seconds: request["seconds"]?.numberValue ?? 0)
    }
    if let name = request["write"]?.stringValue, let file = request["file"]?.stringValue {
      return try write(try workload(name), to: file)
    }
    throw BertError(.usage, "expected \"set\", \"run\" or \"write\"")
  }

  private func workload(_ name: String) throws(BertError) -> [TokenBatch] {
    guard let batches = workloads[name] else {
      throw BertError(.usage, "no workload was set as '\(name)'")
    }
    return batches
  }

  private func batches(_ json: JSON?) throws(BertError) -> [TokenBatch] {
    guard let list = json?.arrayValue else {
      throw BertError(.usage, "\"batches\" is no array of batches")
    }
    var batches: [TokenBatch] = []
    for texts in list {
      var batch = TokenBatch()
      for ids in texts.arrayValue ?? [] {
        let numbers = (ids.arrayValue ?? []).compactMap {
          $0.integerValue.flatMap { Int32(exactly: $0) }
        }
        try batch.append(ids: numbers, for: encoder.configuration)
      }
      batches.append(batch)
    }
    return batches
  }

  private func run(_ batches: [TokenBatch], seconds: Double) throws(BertError) -> JSON {
    let ceiling = Measurement.ceiling(encoder).rate
    var times: [JSON] = []
    let start = StageClock.now()
    repeat {
      let before = StageClock.now()
      for batch in batches { try encoder.encode(batch) { _ in } }
      times.append(.number((StageClock.now() - before) * 1e3))
    } while StageClock.now() - start < seconds
    return ["ms": .array(times), "ceiling_gmac_s": .number(ceiling / 1e9)]
  }

  private func write(_ batches: [TokenBatch], to path: String) throws(BertError) -> JSON {
    let width = encoder.configuration.hiddenSize
    var rows: [Float] = []
    for batch in batches {
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
