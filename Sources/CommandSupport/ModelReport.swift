import BertErrors
import BertModel
import BertRuntime
import Bertq
import JSONText

/// What is in a model file, for `bert-run --info`.
package struct ModelReport {
  private let served: ServedModel

  /// Reads the file's header; no weight is looked at.
  ///
  /// - Throws: as opening a model does.
  package init(path: String) throws(BertError) { served = try ModelArgument.open(path) }

  private var description: ModelDescription { served.description }

  /// The tasks that it can be asked.
  private var tasks: [AnswerTask] { AnswerTask.allCases.filter(served.answers) }

  private var bytes: Int { served.file.tensors.reduce(0) { $0 + $1.bytes.count } }

  /// All of it.
  package var json: JSON {
    let (c, e) = (description.configuration, description.embedding)
    var object: JSONObject = JSONObject([
      ("file", .string(served.file.path)), ("task", .string(description.task.rawValue)),
      ("tasks", .array(tasks.map { .string($0.rawValue) })),
      ("labels", .array(description.labels.map(JSON.string))),
      (
        "encoder",
        [
          "layers": .integer(c.layerCount), "hidden_size": .integer(c.hiddenSize),
          "heads": .integer(c.headCount), "intermediate_size": .integer(c.intermediateSize),
          "vocabulary_size": .integer(c.vocabularySize),
          "activation": .string(c.activation.rawValue),
        ]
      ),
      ("token_limit", .integer(served.tokenLimit)),
      ("tokenizer", description.tokenizer.map { .string($0.kind.name) } ?? .null),
      (
        "embedding",
        [
          "poolings": .array(e.poolings.map { .string($0.rawValue) }),
          "normalizes": .bool(e.normalizes), "pools_prompt": .bool(e.poolsPrompt),
          "dimensions": .integer(e.width(hiddenSize: c.hiddenSize)),
          "is_published": .bool(description.embeddingIsPublished),
        ]
      ),
      (
        "prompts",
        .object(JSONObject(description.prompts.map { ($0.name, JSON.string($0.text)) }))
      ),
      ("default_prompt", description.defaultPrompt.map(JSON.string) ?? .null),
      ("fingerprints", .object(JSONObject(fingerprints.map { ($0.name, JSON.string($0.text)) }))),
      ("weights_bytes", .integer(bytes)),
      ("source", .string(description.provenance.source)),
      ("published_name", .string(description.provenance.publishedName)),
      ("architectures", .array(description.provenance.architectures.map(JSON.string))),
      ("producer", .string(served.file.producer)),
      ("format_version", .integer(Int(served.file.formatVersion))),
      ("numeric_version", .integer(Int(served.file.numericVersion))),
      (
        "quantizer",
        .object(JSONObject(served.file.quantizer.map { ($0.key, JSON.string($0.value)) }))
      ),
    ])
    object["drift"] =
      served.file.drift.map { drift in
        [
          "texts_of": .string(drift.source), "texts": .integer(drift.texts),
          "tokens": .integer(drift.tokens), "sqnr_db": .number(drift.sqnr),
          "cosine_mean": .number(drift.meanCosine), "cosine_worst": .number(drift.worstCosine),
        ]
      } ?? .null
    return .object(object)
  }

  private var fingerprints: [(name: String, text: String)] {
    [Precision.int8, .float32].compactMap { precision in
      served.fingerprint(precision).map { (precision == .int8 ? "int8" : "float", $0) }
    }
  }

  /// The same for people.
  package var text: String {
    let (c, e) = (description.configuration, description.embedding)
    let provenance = description.provenance
    var rows: [(String, String)] = [
      ("for", description.task.rawValue),
      ("answers", tasks.map(\.rawValue).joined(separator: ", ")),
    ]
    if !description.labels.isEmpty {
      let labels = description.labels
      let more = labels.count > 12 ? " and \(labels.count - 12) more" : ""
      rows.append(("labels", labels.prefix(12).joined(separator: ", ") + more))
    }
    rows.append(
      (
        "encoder",
        "\(c.layerCount) layers of \(c.hiddenSize), \(c.headCount) heads, \(c.vocabularySize) words"
      ))
    rows.append(
      (
        "texts",
        "\(description.tokenizer?.kind.name ?? "token ids only"), at most \(served.tokenLimit) tokens"
      ))
    rows.append(
      (
        "vectors",
        "\(e.width(hiddenSize: c.hiddenSize)) numbers, pooling "
          + e.poolings.map(\.rawValue).joined(separator: " + ")
          + (description.embeddingIsPublished ? "" : " (not published; the default)")
          + (e.normalizes ? ", length 1" : "")
      ))
    for prompt in description.prompts {
      let isDefault = prompt.name == description.defaultPrompt
      rows.append(
        (
          "prompt",
          "\(prompt.name)\(isDefault ? " (default)" : ""): \(JSON.string(prompt.text).text())"
        ))
    }
    rows.append(("weights", "\(DecimalText.fixed(Double(bytes) / 1e6, 1)) MB"))
    for fingerprint in fingerprints {
      rows.append(("fingerprint", "\(fingerprint.name) \(fingerprint.text)"))
    }
    if let drift = served.file.drift { rows.append(("drift", drift.sentence)) }
    let names = [provenance.publishedName, provenance.architectures.joined(separator: ", ")]
    rows.append(
      ("made of", ([provenance.source] + names).filter { !$0.isEmpty }.joined(separator: "; ")))
    rows.append(("made by", served.file.producer))
    return rows.map { name, value in
      name + String(repeating: " ", count: max(1, 13 - name.count)) + value
    }.joined(separator: "\n")
  }
}
