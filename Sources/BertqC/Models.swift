import Bertq
import CBertq
import JSONText
import SystemLibrary

/// The interface's version: `BERTQ_ABI` of the header.
private let interfaceVersion = BERTQ_ABI
/// Kept for as long as the process lives.
private nonisolated(unsafe) let versionText = strdup(Release.version)

@_cdecl("bertq_abi")
package func bertqABI() -> Int32 { interfaceVersion }

@_cdecl("bertq_version")
package func bertqVersion() -> UnsafePointer<CChar>? { UnsafePointer(versionText) }

@_cdecl("bertq_open")
package func bertqOpen(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<bertq_options>?,
  _ model: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  reporting(error) { () throws(BertError) in
    let place = try require(model, "the place of the model")
    place.pointee = nil
    let path = try require(text(path, "the path"), "the path")
    if path.isEmpty { throw BertError(.notFound, "the path is empty; name a file") }
    let opened = try Model(path: path, options: modelOptions(read(options, bertq_options())))
    place.pointee = OpaquePointer(Unmanaged.passRetained(opened).toOpaque())
  }
}

private func modelOptions(_ given: bertq_options) throws(BertError) -> ModelOptions {
  try requireZero(given.reserved)
  var options = ModelOptions()
  if let name = try text(given.precision, "the precision") {
    options.precision = try choice(name, "precision")
  }
  options.kernels = try text(given.kernels, "the kernel set")
  if given.threads != 0 { options.threads = Int(given.threads) }
  if given.token_budget != 0 { options.tokenBudget = Int(clamping: given.token_budget) }
  options.cacheBytes = Int(clamping: given.cache_bytes)
  return options
}

/// A value of an enumeration, by its name.
///
/// - Throws: `usage` for another name, with those that there are.
func choice<Value: RawRepresentable<String> & CaseIterable>(
  _ name: String, _ what: String
) throws(BertError) -> Value {
  guard let value = Value(rawValue: name) else {
    let names = Value.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
    throw BertError(.usage, "\(what) '\(name)'; expected one of \(names)")
  }
  return value
}

/// The model behind a caller's pointer.
///
/// - Throws: `usage` for NULL.
func model(_ pointer: OpaquePointer?) throws(BertError) -> Model {
  let pointer = try require(pointer, "the model")
  return Unmanaged<Model>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
}

@_cdecl("bertq_close")
package func bertqClose(_ model: OpaquePointer?) {
  if let model { Unmanaged<Model>.fromOpaque(UnsafeRawPointer(model)).release() }
}

@_cdecl("bertq_dimensions")
package func bertqDimensions(_ pointer: OpaquePointer?) -> Int {
  (try? model(pointer))?.dimensions ?? 0
}

@_cdecl("bertq_hidden_size")
package func bertqHiddenSize(_ pointer: OpaquePointer?) -> Int {
  (try? model(pointer))?.info.hiddenSize ?? 0
}

@_cdecl("bertq_token_limit")
package func bertqTokenLimit(_ pointer: OpaquePointer?) -> Int {
  (try? model(pointer))?.tokenLimit ?? 0
}

@_cdecl("bertq_describe")
package func bertqDescribe(
  _ pointer: OpaquePointer?, _ json: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  reporting(error) { () throws(BertError) in
    let model = try model(pointer)
    try require(json, "the place of the description").pointee = OwnedText.give(description(model))
  }
}

private func description(_ model: Model) -> JSON {
  let (info, head) = (model.info, model.served.description.head)
  return [
    "task": .string(info.task), "labels": .array(info.labels.map { .string($0) }),
    "problem_type": head.map { .string($0.problemType) } ?? .null,
    "score_activation": head?.scoreActivation.map { .string($0.rawValue) } ?? .null,
    "poolings": .array(info.poolings.map { .string($0) }),
    "prompts": .object(
      JSONObject(model.served.description.prompts.map { ($0.name, .string($0.text)) })),
    "tasks": .array(
      AnswerTask.allCases.filter { model.served.answers($0) }.map { .string($0.rawValue) }),
    "default_prompt": info.defaultPrompt.map { .string($0) } ?? .null,
    "dimensions": .integer(info.dimensions), "normalizes": .bool(info.normalizes),
    "token_limit": .integer(model.tokenLimit), "layers": .integer(info.layers),
    "hidden_size": .integer(info.hiddenSize), "heads": .integer(info.heads),
    "vocabulary_size": .integer(info.vocabularySize),
    "precisions": .array(info.precisions.map { .string($0.rawValue) }),
    "precision": .string(model.precision.rawValue), "fingerprint": .string(model.fingerprint),
    "threads": .integer(model.threads), "kernels": .string(model.kernels.name),
    "published_name": .string(info.publishedName), "producer": .string(info.producer),
    "library": .string(Release.name),
  ]
}
