import BertConvert
import Bertq
import CBertq
import JSONText

@_cdecl("bertq_convert")
package func bertqConvert(
  _ conversion: UnsafePointer<bertq_conversion>?,
  _ watch: (@convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?) -> Void)?,
  _ context: UnsafeMutableRawPointer?, _ json: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  reporting(error) { () throws(BertError) in
    json?.pointee = nil
    let order = try order(try read(require(conversion, "the conversion"), bertq_conversion()))
    let result = try order.run { event in
      watch?(context, event.json.text())
    }
    func fingerprint(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }
    json?.pointee = OwnedText.give([
      "summary": .string(result.summary), "float": fingerprint(result.floatFingerprint),
      "int8": fingerprint(result.int8Fingerprint),
    ])
  }
}

private func order(_ given: bertq_conversion) throws(BertError) -> CheckpointConversion {
  guard let input = try text(given.input, "the input"),
    let output = try text(given.output, "the output")
  else {
    throw BertError(.usage, "a conversion needs an input and an output")
  }
  var order = CheckpointConversion(input: input, output: output)
  order.configuration = try text(given.configuration, "the configuration")
  order.vocabulary = try text(given.vocabulary, "the vocabulary")
  if let name = try text(given.weights, "the name of the weights") {
    order.weights = try choice(name, "weights")
  }
  if let name = try text(given.embeddings, "the name of the embeddings") {
    order.embeddings = try choice(name, "embeddings")
  }
  order.recipe = try text(given.recipe, "the recipe")
  order.report = try text(given.report, "the report")
  order.idsOnly = try flag(given.ids_only, "ids_only")
  if given.heads != 0 { order.heads = Int(given.heads) }
  if given.threads != 0 { order.threads = Int(given.threads) }
  if let path = try text(given.calibration, "the calibration") { order.calibration = .file(path) }
  if try flag(given.no_calibration, "no_calibration") {
    if order.calibration != .builtIn {
      throw BertError(.usage, "calibration texts, and none, exclude each other")
    }
    order.calibration = .none
  }
  let cosine = try limit(given.least_cosine, "least_cosine")
  let sqnr = try limit(given.least_sqnr, "least_sqnr")
  if cosine != nil || sqnr != nil { order.driftLimit = DriftLimit(cosine: cosine, sqnr: sqnr) }
  return order
}

/// A drift limit; nil for none.
///
/// - Throws: `usage` for one that everything keeps, or nothing can be compared with.
private func limit(_ value: Double, _ name: String) throws(BertError) -> Double? {
  if value == 0 { return nil }
  guard value.isFinite, value > 0 else {
    throw BertError(.usage, "\(name) is \(value); expected more than 0")
  }
  return value
}

extension ConversionEvent {
  fileprivate var json: JSON {
    switch self {
    case .progress(let stage, let done, let total):
      ["stage": .string(stage.rawValue), "done": .integer(done), "of": .integer(total)]
    case .note(let text): ["note": .string(text)]
    }
  }
}
