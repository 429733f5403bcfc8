import BertErrors
import BertModel
import JSONText
import TensorFiles

/// The configuration of a model that comes without one, from the shapes of its tensors.
///
/// They tell every size but one: into how many heads the hidden size is cut. Who names that number gets BERT's own
/// activation and epsilon with it, and is told so.
enum SizesOfTensors {
  /// What is taken for granted, since no tensor says it.
  static let notice =
    "no configuration lies beside the checkpoint: the sizes are those of its tensors, and hidden_act gelu and "
    + "layer_norm_eps 1e-12 are assumed, as BERT has them"

  /// A configuration, but for the number of heads.
  ///
  /// - Throws: `notFound` where the tensors are not BERT's, or look like a relative's that computes otherwise.
  static func configuration(_ checkpoint: Checkpoint) throws(BertError) -> JSON {
    let names = checkpoint.tensors.map { PublishedName($0.name, of: .bert) }
    let prefix = NamePrefix(names.lazy.map(\.dotted), encoderNames: Family.bert.encoderNames)
    var shapes: [String: [Int]] = [:]
    for (info, name) in zip(checkpoint.tensors, names) where info.shape.count == 2 {
      guard let relative = prefix.relative(name.dotted) else { continue }
      shapes[relative] = name.isTransposed ? info.shape.reversed() : info.shape
    }
    let layers = names.lazy.compactMap { layer(prefix.relative($0.dotted) ?? "") }.max()
    guard let words = shapes["embeddings.word_embeddings.weight"],
      let positions = shapes["embeddings.position_embeddings.weight"],
      let types = shapes["embeddings.token_type_embeddings.weight"],
      let up = shapes["encoder.layer.0.intermediate.dense.weight"], let layers
    else { throw lacking(checkpoint, "its tensors are not those of BERT") }
    // RoBERTa's relatives have BERT's names, one token type, and positions that begin elsewhere.
    if types[0] < 2 || relatives.contains(where: { prefix.encoder.hasSuffix($0 + ".") }) {
      throw lacking(checkpoint, "its tensors may be those of a relative that counts otherwise")
    }
    return [
      "model_type": "bert", "vocab_size": .integer(words[0]), "hidden_size": .integer(words[1]),
      "num_hidden_layers": .integer(layers + 1),
      "intermediate_size": .integer(up[0]), "max_position_embeddings": .integer(positions[0]),
      "type_vocab_size": .integer(types[0]),
    ]
  }

  /// What other families call their encoders.
  private static let relatives =
    Family.all.flatMap(\.encoderNames).filter { !Family.bert.encoderNames.contains($0) }

  private static func layer(_ relative: String) -> Int? {
    let stem = "encoder.layer."
    guard relative.hasPrefix(stem) else { return nil }
    // No number of layers is larger; a name that says so is an unknown tensor's.
    return relative.dropFirst(stem.count).split(separator: ".").first
      .flatMap { Int($0) }.flatMap { $0 < 1 << 20 ? $0 : nil }
  }

  private static func lacking(_ checkpoint: Checkpoint, _ why: String) -> BertError {
    BertError(
      .notFound,
      "no config.json or bert_config.json lies beside it or in the folder above, and \(why)",
      file: checkpoint.path, remedy: .nameConfiguration)
  }
}
