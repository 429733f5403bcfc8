import BertErrors
import BertModel
import ByteFiles
import TensorFiles

/// A published tensor in the role of a part.
struct PublishedPart: Sendable {
  let info: TensorInfo
  /// Whether it is stored `[in, out]`.
  var isTransposed: Bool
  /// The rows that are taken, in this order; nil for all.
  var rows: [Range<Int>]?
}

/// Which published tensors make each canonical one, and what became of the rest.
struct TensorPlan {
  /// What the configuration demands.
  struct Demand {
    var configuration: BertConfiguration
    var heads: Set<HeadKind> = []
    var needsPooler = false
    /// Label count of a classifier, when the configuration says it, and where.
    var labels: (count: Int, origin: String)?
    /// `tie_word_embeddings`, when the configuration says it.
    var tiesDecoder: Bool?
    /// What differs from BERT's tensors.
    var family: Family
    /// Rows of the published position table that no token uses.
    var unusedPositions = 0
    /// Whether there is a table of token types.
    var hasTokenTypes = true
    /// Whether the class has a linear of its own before the classifier's.
    var needsClassifierDense = false
    /// Terms of scores by distance; nil without any.
    var relative: RelativeDistances?
  }

  /// Canonical tensors in order, with their parts; without any, a tensor is zeros.
  private(set) var tensors: [(requirement: TensorRequirement, parts: [PublishedPart])] = []
  private(set) var heads: [HeadKind] = []
  private(set) var hasPooler = false
  /// Whether the classifier has a linear of its own in front.
  private(set) var hasClassifierDense = false
  private(set) var report: ImportReport
  private(set) var problems: [ImportProblem] = []

  /// Numbers of each token's short vector.
  var tokenWidth: Int? { expected.tokenWidth }

  private let demand: Demand
  private let expected: ExpectedTensors
  private let prefix: NamePrefix
  private var published: [String: PublishedPart] = [:]
  private var found: [String: [PublishedPart]] = [:]
  private var incomplete = Set<String>()

  /// Matches the checkpoint's tensors with those that the demand needs.
  ///
  /// - Throws: only when tensors that must be compared cannot be read; all else is in `problems`.
  init(_ checkpoint: Checkpoint, _ demand: Demand) throws(BertError) {
    self.demand = demand
    report = ImportReport()
    report.source = Folder.name(of: checkpoint.path)
    report.notices = checkpoint.notices
    let names = checkpoint.tensors.map { PublishedName($0.name, of: demand.family) }
    prefix = NamePrefix(names.lazy.map(\.dotted), encoderNames: demand.family.encoderNames)
    expected = ExpectedTensors(
      configuration: demand.configuration,
      labels: demand.labels
        ?? (Self.rows(of: "classifier.weight", checkpoint, names, prefix) ?? 2, "the classifier"),
      tokenWidth: Self.rows(of: "linear.weight", checkpoint, names, prefix),
      unusedPositions: demand.unusedPositions, hasTokenTypes: demand.hasTokenTypes,
      family: demand.family, relative: demand.relative)
    for entry in checkpoint.ignored { ignore(entry.name, entry.reason, entry.file) }
    sort(checkpoint.tensors, names)
    for part in expected.encoder { take(part) }
    for name in expected.unpublished { found[name] = [] }
    takeRelativeTables()
    hasPooler = demand.needsPooler || published.keys.contains { $0.hasPrefix("pooler.") }
    if hasPooler { for part in expected.pooler { take(part) } }
    let decoderIsOwn = try takeHeads(checkpoint)
    reportRest()
    assemble(decoderIsOwn: decoderIsOwn)
  }

  /// Outputs of a head's linear whose number no configuration says.
  private static func rows(
    of weight: String, _ checkpoint: Checkpoint, _ names: [PublishedName], _ prefix: NamePrefix
  ) -> Int? {
    for (info, name) in zip(checkpoint.tensors, names)
    where prefix.relative(name.dotted) == weight && info.shape.count == 2 {
      return name.isTransposed ? info.shape[1] : info.shape[0]
    }
    return nil
  }

  /// Puts each tensor under its relative name, aside as ignored, or among the unknown.
  private mutating func sort(_ tensors: [TensorInfo], _ names: [PublishedName]) {
    for (info, name) in zip(tensors, names) {
      if let reason = name.reasonToIgnore {
        ignore(info.name, reason, info.file)
        continue
      }
      if name.dotted.hasPrefix(prefix.root),
        let reason = demand.family.reasonToIgnore(name.dotted.dropFirst(prefix.root.count))
      {
        ignore(info.name, reason, info.file)
        continue
      }
      guard let relative = prefix.relative(name.dotted) else {
        markUnknown(info)
        continue
      }
      if let key = demand.family.positionsKey, demand.configuration.lacksPositions,
        relative == "embeddings.position_embeddings.weight"
      {
        ignore(info.name, "\(key) is false: positions are not added", info.file)
      } else if demand.family.mayHaveRelativeTerms, demand.relative == nil,
        ["encoder.LayerNorm.", "encoder.rel_embeddings."].contains(where: relative.hasPrefix)
      {
        ignore(info.name, "relative_attention is false: distances are not used", info.file)
      } else if let reason = PublishedName.buffer(relative) {
        ignore(info.name, reason, info.file)
      } else if let other = published[relative] {
        problem(info, "is the same tensor as '\(other.info.name)': one of them must go")
      } else {
        published[relative] = PublishedPart(info: info, isTransposed: name.isTransposed)
      }
    }
  }

  /// Takes an expected part out of the published tensors, or notes that it is missing or wrong.
  private mutating func take(_ part: ExpectedPart) {
    guard let match = published.removeValue(forKey: part.name) else {
      incomplete.insert(part.canonical)
      let isHead = part.canonical.hasPrefix("head.")
      let full = (isHead ? prefix.root : prefix.encoder) + part.name
      report.missing.append(.init(canonical: part.canonical, published: full))
      problems.append(ImportProblem(code: .malformed, name: full, text: "is missing"))
      return
    }
    let isMatrix = part.shape.count == 2
    let shape = match.isTransposed && isMatrix ? part.shape.reversed() : part.shape
    if match.info.shape != shape {
      incomplete.insert(part.canonical)
      let reasons = zip(part.origins, part.shape).map { "\($0) = \($1)" }.joined(separator: ", ")
      problem(match.info, "has shape \(match.info.shape); expected \(shape), because \(reasons)")
    } else if part.rows != nil && match.isTransposed {
      incomplete.insert(part.canonical)
      problem(match.info, "is stored [in, out], of which no rows can be chosen", .unsupported)
    } else if !match.info.type.isFloat {
      incomplete.insert(part.canonical)
      problem(
        match.info,
        "holds \(match.info.type.rawValue); weights in F32, F16, BF16 or F64 are read", .unsupported
      )
    } else {
      var match = match
      match.rows = part.rows
      match.isTransposed = match.isTransposed != part.isTurned
      found[part.canonical, default: []].append(match)
    }
  }

  /// Takes what tables by distance are made of: the published table, its norm, and the linear of each table, which may be
  /// that of the layer's keys or queries.
  private mutating func takeRelativeTables() {
    guard let relative = demand.relative else { return }
    for part in expected.relativeParts { take(part) }
    for layer in 0..<demand.configuration.storedLayerCount {
      let joined = CanonicalName.linear(layer, .queryKeyValue)
      let tables = [
        (relative.terms.hasKeys, CanonicalName.relativeKey(layer), RelativeParts.keys(layer), 1),
        (
          relative.terms.hasQueries, CanonicalName.relativeQuery(layer),
          RelativeParts.queries(layer), 0
        ),
      ]
      for (isThere, name, own, place) in tables where isThere {
        let (linear, index) = relative.sharesLinears ? (joined, place) : (own, 0)
        let sources =
          [(RelativeParts.table, 0)]
          + (relative.isNormalised
            ? [
              (RelativeParts.norm + FloatPart.weight, 0), (RelativeParts.norm + FloatPart.bias, 0),
            ] : [])
          + [(linear + FloatPart.weight, index), (linear + FloatPart.bias, index)]
        let parts = sources.compactMap { source, index in
          found[source].flatMap { index < $0.count ? $0[index] : nil }
        }
        if parts.count < sources.count || sources.contains(where: { incomplete.contains($0.0) }) {
          incomplete.insert(name)
        } else {
          found[name] = parts
        }
      }
    }
  }

  /// Takes the heads; says whether the masked-word decoder has a weight of its own.
  private mutating func takeHeads(_ checkpoint: Checkpoint) throws(BertError) -> Bool {
    var decoderIsOwn = false
    for head in HeadKind.allCases {
      let parts = expected.head(head)
      // What stands before the decoder may have the name of what stands before a classifier.
      var names = demand.family.classifier.hasNorm && head == .maskedWords ? [] : parts.map(\.name)
      if head == .maskedWords {
        names += [
          expected.decoderWeight.name, expected.decoderBiases.own.name,
          expected.decoderBiases.shared.name,
        ]
      }
      // A linear of tokens has no name of its own: it is one where the class says so.
      // What gives answers may have the name of a classifier: the class says which it is.
      let isAnswers = demand.family.classifier.hasNorm && demand.heads.contains(.answer)
      let isThere =
        head != .multiVector && !(isAnswers && head == .classifier)
        && names.contains { published[$0] != nil }
      guard demand.heads.contains(head) || isThere else { continue }
      heads.append(head)
      let lacksBiases = head == .maskedWords && lacksMaskedBiases
      for part in parts where !(lacksBiases && part.canonical == Self.transformBias) { take(part) }
      if lacksBiases { found[Self.transformBias] = [] }
      if head == .classifier || head == .answer && isAnswers { takeClassifierDense() }
      if head == .multiVector { found[head.stem + FloatPart.bias] = [] }
      if head == .maskedWords {
        decoderIsOwn = try takeDecoder(checkpoint, lacksBias: lacksBiases)
      }
    }
    return decoderIsOwn
  }

  /// Takes the linear before a classifier's, where its family has one and the class or a tensor says so.
  private mutating func takeClassifierDense() {
    let parts = expected.classifierDense
    hasClassifierDense =
      demand.needsClassifierDense
      || demand.family.classifier != .pooler && parts.contains { published[$0.name] != nil }
    if hasClassifierDense { for part in parts { take(part) } }
  }

  private static let transformBias = CanonicalName.maskedTransform + FloatPart.bias

  /// Whether neither the linear before the masked-word decoder nor the decoder has a bias, as some publish them; zeros
  /// stand for both.
  private var lacksMaskedBiases: Bool {
    let biases = expected.decoderBiases
    let transform = expected.head(.maskedWords).filter { $0.canonical == Self.transformBias }
    return demand.family.mayLackMaskedBiases
      && (transform + [biases.own, biases.shared]).allSatisfy { published[$0.name] == nil }
  }

  private mutating func takeDecoder(
    _ checkpoint: Checkpoint, lacksBias: Bool
  ) throws(BertError) -> Bool {
    let biases = expected.decoderBiases
    if lacksBias {
      found[biases.own.canonical] = []
    } else if published[biases.own.name] != nil {
      take(biases.own)
      if let shared = published.removeValue(forKey: biases.shared.name) {
        ignore(shared.info.name, "the decoder has its own bias", shared.info.file)
      }
    } else {
      take(biases.shared)
    }
    let weight = expected.decoderWeight
    guard let own = published[weight.name] else {
      if demand.tiesDecoder == false { take(weight) }
      return demand.tiesDecoder == false
    }
    if let words = found[CanonicalName.wordEmbeddings]?.first, own.info.shape == words.info.shape,
      own.info.type.isFloat, try checkpoint.haveSameValues(own.info.name, words.info.name)
    {
      published[weight.name] = nil
      ignore(own.info.name, "the same as the word embeddings, to which it is tied", own.info.file)
      return false
    }
    if demand.tiesDecoder != false {
      report.notices.append(
        "'\(own.info.name)' differs from the word embeddings although the configuration ties them; "
          + "it is kept as the decoder's own weight")
    }
    take(weight)
    return true
  }

  private mutating func reportRest() {
    for (relative, part) in published.sorted(by: { $0.key < $1.key }) {
      let layer = relative.split(separator: ".").dropFirst(2).first.flatMap { Int($0) }
      if relative.hasPrefix("encoder.layer."), let layer,
        layer >= demand.configuration.storedLayerCount
      {
        let count = demand.configuration.storedLayerCount
        markUnknown(part.info, "belongs to layer \(layer), but num_hidden_layers = \(count)")
      } else {
        markUnknown(part.info)
      }
    }
    if !prefix.others.isEmpty {
      let all = [prefix.encoder] + prefix.others
      problems.append(
        ImportProblem(
          code: .malformed,
          text: "holds \(all.count) encoders, under the prefixes "
            + all.map { "'\($0)'" }.joined(separator: ", ")))
    }
  }

  /// Lists the canonical tensors whose parts are all there.
  private mutating func assemble(decoderIsOwn: Bool) {
    let c = demand.configuration
    var all = c.sharedTensors + c.floatLinearTensors + (hasPooler ? c.poolerTensors : [])
    if hasClassifierDense {
      all += TensorRequirement.linear(
        CanonicalName.classifierDense, outputs: c.hiddenSize, inputs: c.hiddenSize)
      if demand.family.classifier.hasNorm {
        all += TensorRequirement.norm(CanonicalName.classifierNorm, width: c.hiddenSize)
      }
    }
    for head in heads {
      let outputs = head == .multiVector ? expected.tokenWidth ?? 0 : expected.labels.count
      all += c.tensors(of: head, labels: outputs, tiesDecoder: !decoderIsOwn)
    }
    for requirement in all where !incomplete.contains(requirement.name) {
      guard let parts = found[requirement.name] else { continue }
      tensors.append((requirement, parts))
      report.mapped.append(
        .init(
          canonical: requirement.name, published: parts.map(\.info.name), shape: requirement.shape,
          elementTypes: Set(parts.map(\.info.type.rawValue)).sorted(),
          isTransposed: parts.contains { $0.isTransposed }))
    }
    report.problems = problems.map(\.sentence)
  }

  private mutating func ignore(_ name: String, _ reason: String, _ file: String) {
    report.ignored.append(.init(name: name, reason: reason, file: Folder.name(of: file)))
  }

  private mutating func markUnknown(
    _ info: TensorInfo, _ why: String = "is not a tensor of a BERT encoder or of a known head"
  ) {
    report.unknown.append(
      .init(name: info.name, shape: info.shape, file: Folder.name(of: info.file)))
    problem(info, why)
  }

  private mutating func problem(
    _ info: TensorInfo, _ text: String, _ code: BertError.Code = .malformed
  ) {
    problems.append(ImportProblem(code: code, name: info.name, text: text, tensor: info))
  }
}
