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
  /// What differs from BERT's tensors.
  var family = Family.bert
  /// Terms of scores by distance; nil without any.
  var relative: RelativeDistances?

  /// Every part of the encoder without its pooler.
  var encoder: [ExpectedPart] {
    let c = configuration
    var parts = [
      part(
        CanonicalName.wordEmbeddings, "embeddings.word_embeddings.weight", [vocabulary, embedding])
    ]
    if !c.lacksPositions {
      var positions = part(
        CanonicalName.positionEmbeddings, "embeddings.position_embeddings.weight",
        [("max_position_embeddings", c.maximumPositions + unusedPositions), embedding])
      if unusedPositions > 0 {
        positions.rows = [unusedPositions..<unusedPositions + c.maximumPositions]
      }
      parts.append(positions)
    }
    if hasTokenTypes {
      parts.append(
        part(
          CanonicalName.tokenTypeEmbeddings, "embeddings.token_type_embeddings.weight",
          [("type_vocab_size", c.tokenTypeCount), embedding]))
    }
    parts += norm(CanonicalName.embeddingNorm, "embeddings.LayerNorm", embedding)
    if c.embeddingSize != nil {
      parts += linear(
        CanonicalName.embeddingProjection, "embeddings.projection", hidden, embedding)
    }
    if let distanceBias = family.distanceBias {
      var biases = part(
        CanonicalName.attentionBias, distanceBias.name,
        [("buckets of distances", distanceBias.count), ("num_attention_heads", c.headCount)])
      biases.rows = distanceBias.buckets.map { $0..<$0 + 1 }
      biases.isTurned = true
      parts.append(biases)
    }
    for layer in 0..<c.storedLayerCount { parts += self.layer(layer) }
    if c.normalizesFirst { parts += norm(CanonicalName.finalNorm, "encoder.LayerNorm", hidden) }
    return parts
  }

  /// Tensors that no published one stands for: zeros, or what the configuration makes.
  var unpublished: [String] {
    let c = configuration
    var names = hasTokenTypes ? [] : [CanonicalName.tokenTypeEmbeddings]
    names += c.attentionTables.map(\.name).filter {
      $0 != CanonicalName.attentionBias || family.hasSlopes
    }
    if family.normsLackBias {
      let suffix = CanonicalName.finalNorm + FloatPart.bias
      let heads = [CanonicalName.maskedNorm, CanonicalName.classifierNorm]
      names += c.sharedTensors.map(\.name).filter { $0.hasSuffix(suffix) }
      names += heads.map { $0 + FloatPart.bias }
    }
    if family.classifier.hasNorm {
      names += [CanonicalName.maskedTransform, CanonicalName.classifierDense].map {
        $0 + FloatPart.bias
      }
    }
    for layer in 0..<c.storedLayerCount {
      names += LinearSite.allCases.filter(family.unbiased.contains).map {
        CanonicalName.linear(layer, $0) + FloatPart.bias
      }
    }
    return names
  }

  /// The parts of what tables by distance are made of and that is there for nothing else: the published table with its
  /// norm, and linears.
  ///
  /// No canonical tensor has these names: `RelativeParts` puts them together.
  var relativeParts: [ExpectedPart] {
    guard let relative else { return [] }
    var parts = [
      part(
        RelativeParts.table, "encoder.rel_embeddings.weight",
        [("relative distances", relative.publishedRows), hidden])
    ]
    if relative.isNormalised { parts += norm(RelativeParts.norm, "encoder.LayerNorm", hidden) }
    if relative.sharesLinears { return parts }
    for layer in 0..<configuration.storedLayerCount {
      let stem = "encoder.layer.\(layer).attention.self."
      if relative.terms.hasKeys {
        parts += linear(RelativeParts.keys(layer), stem + "pos_key_proj", hidden, hidden)
      }
      if relative.terms.hasQueries {
        parts += linear(RelativeParts.queries(layer), stem + "pos_query_proj", hidden, hidden)
      }
    }
    return parts
  }

  /// The parts of the pooler.
  var pooler: [ExpectedPart] {
    linear(CanonicalName.pooler, "pooler.dense", hidden, hidden)
  }

  /// The parts of a head; of the masked-word decoder only what is always there.
  func head(_ head: HeadKind) -> [ExpectedPart] {
    switch head {
    case .maskedWords where family.classifier.hasNorm:
      [
        part(
          CanonicalName.maskedTransform + FloatPart.weight, "classifier.dense.weight",
          [embedding, hidden])
      ] + norm(CanonicalName.maskedNorm, "classifier.norm", embedding)
    case .maskedWords:
      linear(CanonicalName.maskedTransform, "cls.predictions.transform.dense", embedding, hidden)
        + norm(CanonicalName.maskedNorm, "cls.predictions.transform.LayerNorm", embedding)
    case .nextSentence:
      linear(
        CanonicalName.nextSentence, "cls.seq_relationship", ("two sentences' order", 2), hidden)
    case .classifier:
      linear(CanonicalName.classifier, "classifier", (labels.origin, labels.count), hidden)
    case .answer:
      linear(
        CanonicalName.answer, family.classifier.hasNorm ? "classifier" : "qa_outputs",
        ("start and end", 2), hidden)
    case .multiVector:
      // It has no bias.
      [
        part(
          CanonicalName.multiVector + FloatPart.weight, "linear.weight",
          [("the vectors' width", tokenWidth ?? 0), hidden])
      ]
    }
  }

  /// The parts of a classifier's first linear, of families whose classifiers have one of their own, and of the norm
  /// behind it.
  var classifierDense: [ExpectedPart] {
    let dense = linear(CanonicalName.classifierDense, "classifier.dense", hidden, hidden)
    guard family.classifier.hasNorm else { return dense }
    return [dense[0]] + norm(CanonicalName.classifierNorm, "classifier.norm", hidden)
  }

  /// The masked-word decoder's weight.
  var decoderWeight: ExpectedPart {
    part(
      CanonicalName.maskedDecoder + ".weight", "cls.predictions.decoder.weight",
      [vocabulary, embedding])
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
  private var embedding: Size {
    configuration.embeddingSize.map { ("embedding_size", $0) } ?? hidden
  }
  private var intermediate: Size { ("intermediate_size", configuration.intermediateSize) }

  private func layer(_ index: Int) -> [ExpectedPart] {
    let stem = "encoder.layer.\(index)."
    func site(
      _ site: LinearSite, _ name: String, _ outputs: Size, _ inputs: Size, part: Int = 0
    ) -> [ExpectedPart] {
      let canonical = CanonicalName.linear(index, site)
      let both = linear(canonical, stem + name, outputs, inputs, part: part)
      return family.unbiased.contains(site) ? [both[0]] : both
    }
    var parts: [ExpectedPart] = []
    if family.joinsQueryKeyValue {
      parts += site(
        .queryKeyValue, "attention.self.qkv", ("3 * hidden_size", 3 * hidden.value), hidden)
    } else {
      for (place, name) in ["query", "key", "value"].enumerated() {
        parts += site(.queryKeyValue, "attention.self." + name, hidden, hidden, part: place)
      }
    }
    parts += site(.attentionOutput, "attention.output.dense", hidden, hidden)
    if !configuration.normalizesFirst || configuration.hasNormBeforeAttention(index) {
      parts += norm(
        CanonicalName.attentionNorm(index), stem + "attention.output.LayerNorm", hidden)
    }
    if let form = family.gatedForm {
      parts += gated(form) { site(.feedForwardUp, $0, $1, hidden, part: $2) }
    } else {
      parts += site(.feedForwardUp, "intermediate.dense", intermediate, hidden)
    }
    parts += site(.feedForwardDown, "output.dense", hidden, intermediate)
    parts += norm(CanonicalName.feedForwardNorm(index), stem + "output.LayerNorm", hidden)
    return parts
  }

  /// The parts of a gated block's first linear, of which the activated half comes first.
  private func gated(
    _ form: Family.GatedForm, _ site: (String, Size, Int) -> [ExpectedPart]
  ) -> [ExpectedPart] {
    let half = intermediate.value
    let both = Size("2 * intermediate_size", 2 * half)
    switch form {
    case .apart(let gate, let up): return site(gate, intermediate, 0) + site(up, intermediate, 1)
    case .gateFirst: return site("intermediate.dense", both, 0)
    case .gateLast:
      return site("intermediate.dense", both, 0).map { part in
        var part = part
        part.rows = [half..<2 * half, 0..<half]
        return part
      }
    }
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

  private func norm(_ canonical: String, _ name: String, _ width: Size) -> [ExpectedPart] {
    let weight = part(canonical + ".weight", name + ".weight", [width])
    if family.normsLackBias { return [weight] }
    return [weight, part(canonical + ".bias", name + ".bias", [width])]
  }
}
