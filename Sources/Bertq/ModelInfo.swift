import BertModel
import BertRuntime

/// What is in a file.
///
///     print(model.info.task, model.info.layers, model.info.hiddenSize)
public struct ModelInfo: Sendable {
  /// What the file is for: `embedding`, `tokens`, `pooled`, `classify` and so on.
  public let task: String
  /// Names of a head's labels, in the order of its scores.
  public let labels: [String]
  /// How an embedding is made of the tokens' vectors: `mean`, `cls`, `pooler` and others; several are put
  /// end to end.
  public let poolings: [String]
  /// What stands before every text; nil where nothing does.
  public let defaultPrompt: String?
  /// Numbers of an embedding.
  public let dimensions: Int
  /// Whether an embedding has length 1.
  public let normalizes: Bool
  /// Encoder layers.
  public let layers: Int
  /// Numbers of a token's vector.
  public let hiddenSize: Int
  /// Attention heads of a layer.
  public let heads: Int
  /// Words of the vocabulary.
  public let vocabularySize: Int
  /// The precisions that the file holds weights for.
  public let precisions: [ModelOptions.Precision]
  /// The published name of the checkpoint, where its configuration gives one.
  public let publishedName: String
  /// The program that wrote the file.
  public let producer: String
}

extension Model {
  /// What is in the file.
  public var info: ModelInfo {
    let description = served.description
    let c = description.configuration
    return ModelInfo(
      task: description.task.rawValue, labels: description.labels,
      poolings: description.embedding.poolings.map(\.rawValue),
      defaultPrompt: description.defaultPromptText, dimensions: dimensions,
      normalizes: description.embedding.normalizes,
      layers: c.layerCount, hiddenSize: c.hiddenSize, heads: c.headCount,
      vocabularySize: c.vocabularySize,
      precisions: ModelOptions.Precision.allCases.filter { served.holds($0.ofRuntime) },
      publishedName: description.provenance.publishedName, producer: served.file.producer)
  }

  /// What the file is for: `embedding`, `tokens`, `pooled`, `classify` and so on.
  public var task: String { served.description.task.rawValue }
  /// Names of a head's labels, in the order of its scores.
  public var labels: [String] { served.description.labels }
}
