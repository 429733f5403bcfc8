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
  guard let input = text(given.input), let output = text(given.output) else {
    throw BertError(.usage, "a conversion needs an input and an output")
  }
  var order = CheckpointConversion(input: input, output: output)
  order.configuration = text(given.configuration)
  order.vocabulary = text(given.vocabulary)
  if let name = text(given.weights) { order.weights = try choice(name, "weights") }
  if let name = text(given.embeddings) { order.embeddings = try choice(name, "embeddings") }
  order.recipe = text(given.recipe)
  order.report = text(given.report)
  order.idsOnly = given.ids_only != 0
  if given.heads != 0 { order.heads = Int(given.heads) }
  if given.threads != 0 { order.threads = Int(given.threads) }
  if let path = text(given.calibration) { order.calibration = .file(path) }
  if given.no_calibration != 0 {
    if order.calibration != .builtIn {
      throw BertError(.usage, "calibration texts, and none, exclude each other")
    }
    order.calibration = .none
  }
  if given.least_cosine != 0 || given.least_sqnr != 0 {
    order.driftLimit = DriftLimit(
      cosine: given.least_cosine != 0 ? given.least_cosine : nil,
      sqnr: given.least_sqnr != 0 ? given.least_sqnr : nil)
  }
  return order
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
