import BertModel

/// A tensor that a checkpoint should hold: a canonical one, or one of the parts it is joined from.
struct ExpectedPart {
  /// Its name in Hugging Face's spelling, without the encoder's prefix.
  let name: String
  /// The canonical tensor it becomes, or becomes part of.
  let canonical: String
  /// Its place among the canonical tensor's parts.
  let part: Int
  /// Its shape `[out, in]` or `[out]`.
  let shape: [Int]
  /// For each size of `shape`, where it comes from, for messages.
  let origins: [String]
  /// The rows that the canonical tensor has, in its order; nil for all.
  var rows: [Range<Int>]?
  /// Whether its columns are the canonical tensor's rows.
  var isTurned = false
}

/// The table of published names: `formats/canonical-names.md` says the same in words.
struct ExpectedTensors {
  let configuration: BertConfiguration
  /// Label count of a classifier, and the words for where it is said.
  let labels: (count: Int, origin: String)
  /// Outputs of the linear that makes each token's short vector, where there is one.
  var tokenWidth: Int?
  /// Rows of the published position table that no token uses.
  var unusedPositions = 0
  /// Whether there is a table of token types; else it is a row of zeros.
  var hasTokenTypes = true
  /// The biases on attention's scores.
  var distanceBias: Family.DistanceBias?

  /// Every part of the encoder without its pooler.
  var encoder: [ExpectedPart] {
    let c = configuration
    var positions = part(
      CanonicalName.positionEmbeddings, "embeddings.position_embeddings.weight",
      [("max_position_embeddings", c.maximumPositions + unusedPositions), hidden])
    if unusedPositions > 0 {
      positions.rows = [unusedPositions..<unusedPositions + c.maximumPositions]
    }
    var parts = [
      part(
        CanonicalName.wordEmbeddings, "embeddings.word_embeddings.weight", [vocabulary, hidden]),
      positions,
    ]
    if hasTokenTypes {
      parts.append(
        part(
          CanonicalName.tokenTypeEmbeddings, "embeddings.token_type_embeddings.weight",
          [("type_vocab_size", c.tokenTypeCount), hidden]))
    }
    parts += norm(CanonicalName.embeddingNorm, "embeddings.LayerNorm")
    if let distanceBias {
      var biases = part(
        CanonicalName.attentionBias, distanceBias.name,
        [("buckets of distances", distanceBias.count), ("num_attention_heads", c.headCount)])
      biases.rows = distanceBias.buckets.map { $0..<$0 + 1 }
      biases.isTurned = true
      parts.append(biases)
    }
    for layer in 0..<c.layerCount { parts += self.layer(layer) }
    return parts
  }

  /// The parts of the pooler.
  var pooler: [ExpectedPart] {
    linear(CanonicalName.pooler, "pooler.dense", hidden, hidden)
  }

  /// The parts of a head; of the masked-word decoder only what is always there.
  func head(_ head: HeadKind) -> [ExpectedPart] {
    switch head {
    case .maskedWords:
      linear(CanonicalName.maskedTransform, "cls.predictions.transform.dense", hidden, hidden)
        + norm(CanonicalName.maskedNorm, "cls.predictions.transform.LayerNorm")
    case .nextSentence:
      linear(
        CanonicalName.nextSentence, "cls.seq_relationship", ("two sentences' order", 2), hidden)
    case .classifier:
      linear(CanonicalName.classifier, "classifier", (labels.origin, labels.count), hidden)
    case .answer:
      linear(CanonicalName.answer, "qa_outputs", ("start and end", 2), hidden)
    case .multiVector:
      // It has no bias.
      [
        part(
          CanonicalName.multiVector + FloatPart.weight, "linear.weight",
          [("the vectors' width", tokenWidth ?? 0), hidden])
      ]
    }
  }

  /// The parts of a classifier's first linear, of families whose classifiers have one of their own.
  var classifierDense: [ExpectedPart] {
    linear(CanonicalName.classifierDense, "classifier.dense", hidden, hidden)
  }

  /// The masked-word decoder's weight.
  var decoderWeight: ExpectedPart {
    part(
      CanonicalName.maskedDecoder + ".weight", "cls.predictions.decoder.weight",
      [vocabulary, hidden])
  }

  /// The masked-word decoder's bias, under its name of now and its name of old.
  var decoderBiases: (own: ExpectedPart, shared: ExpectedPart) {
    let canonical = CanonicalName.maskedDecoder + ".bias"
    return (
      part(canonical, "cls.predictions.decoder.bias", [vocabulary]),
      part(canonical, "cls.predictions.bias", [vocabulary])
    )
  }

  private typealias Size = (origin: String, value: Int)

  private var vocabulary: Size { ("vocab_size", configuration.vocabularySize) }
  private var hidden: Size { ("hidden_size", configuration.hiddenSize) }
  private var intermediate: Size { ("intermediate_size", configuration.intermediateSize) }

  private func layer(_ index: Int) -> [ExpectedPart] {
    let stem = "encoder.layer.\(index)."
    func site(_ site: LinearSite) -> String { CanonicalName.linear(index, site) }
    var parts: [ExpectedPart] = []
    for (place, name) in ["query", "key", "value"].enumerated() {
      parts += linear(
        site(.queryKeyValue), stem + "attention.self." + name, hidden, hidden, part: place)
    }
    parts += linear(site(.attentionOutput), stem + "attention.output.dense", hidden, hidden)
    parts += norm(CanonicalName.attentionNorm(index), stem + "attention.output.LayerNorm")
    parts += linear(site(.feedForwardUp), stem + "intermediate.dense", intermediate, hidden)
    parts += linear(site(.feedForwardDown), stem + "output.dense", hidden, intermediate)
    parts += norm(CanonicalName.feedForwardNorm(index), stem + "output.LayerNorm")
    return parts
  }

  private func part(
    _ canonical: String, _ name: String, _ sizes: [Size], part: Int = 0
  ) -> ExpectedPart {
    ExpectedPart(
      name: name, canonical: canonical, part: part, shape: sizes.map(\.value),
      origins: sizes.map(\.origin))
  }

  private func linear(
    _ canonical: String, _ name: String, _ outputs: Size, _ inputs: Size, part place: Int = 0
  ) -> [ExpectedPart] {
    [
      part(canonical + ".weight", name + ".weight", [outputs, inputs], part: place),
      part(canonical + ".bias", name + ".bias", [outputs], part: place),
    ]
  }

  private func norm(_ canonical: String, _ name: String) -> [ExpectedPart] {
    [
      part(canonical + ".weight", name + ".weight", [hidden]),
      part(canonical + ".bias", name + ".bias", [hidden]),
    ]
  }
}
