import BertErrors
import JSONText

/// What int8 cost on some texts, beside the float32 path of the same file.
package struct DriftReport: Sendable {
  /// How it was measured.
  package struct Settings: Sendable {
    /// The fingerprint of the int8 vectors.
    package var fingerprint: String
    /// The model's file.
    package var model: String
    /// The kernels that ran.
    package var kernels: String
    /// What the quantiser was told and chose.
    package var quantizer: [(key: String, value: String)]
    /// When, as an ISO 8601 date; empty to leave it out.
    package var date: String

    /// Describes a measurement.
    package init(
      fingerprint: String, model: String, kernels: String,
      quantizer: [(key: String, value: String)], date: String
    ) {
      self.fingerprint = fingerprint
      self.model = model
      self.kernels = kernels
      self.quantizer = quantizer
      self.date = date
    }
  }

  /// Texts compared.
  package let texts: Int
  /// Tokens compared.
  package let tokens: Int
  /// The last layer's hidden states, token by token.
  package let hidden: VectorDrift
  /// The pooled vectors, text by text.
  package let embedding: VectorDrift
  /// The text whose pooled vector drifts most; empty when the texts are unknown.
  package let worstText: String
  /// How the head's answers differ; nil for a model without a head.
  package let head: HeadDrift?
  /// Whether similarities order the texts alike.
  package let ranking: RankingDrift
  /// Both paths beside another program's vectors; nil when there were none.
  package let parity: ParityDrift?
  /// Every layer's hidden states.
  package let layers: [VectorDrift]
  /// Every linear's own error; empty when it was not asked for.
  package let linears: [LinearDrift]
  /// What each kind of place causes; empty when it was not asked for.
  package let sites: [SiteDrift]
  /// How it was measured.
  package let settings: Settings

  /// The report as JSON, in the order that the format promises.
  package var json: JSON { json(verdict: nil) }

  /// The same with what a gate says of it; null where there was none.
  package func json(verdict: DriftVerdict?) -> JSON {
    var embedding = Self.members(embedding)
    embedding.append(("worst_text", .string(worstText)))
    return [
      "fingerprint": .string(settings.fingerprint),
      "texts": .integer(texts),
      "tokens": .integer(tokens),
      "hidden": Self.object(hidden),
      "embedding": .object(JSONObject(embedding)),
      "ranking": [
        "spearman": Self.number(ranking.spearman), "top1_agreement": Self.number(ranking.top1),
        "top10_agreement": Self.number(ranking.top10),
      ],
      "head": headJSON,
      "layers": .array(
        layers.enumerated().map { index, layer in
          .object(JSONObject([("layer", .integer(index))] + Self.members(layer)))
        }),
      "linears": .array(
        linears.map {
          .object(
            JSONObject(
              [("layer", .integer($0.layer)), ("site", .string($0.site.name))]
                + Self.members($0.outputs)))
        }),
      "sites": .array(
        sites.map {
          [
            "site": .string($0.site.name), "alone": Self.object($0.alone),
            "without": Self.object($0.without),
          ]
        }),
      "model": .string(settings.model),
      "kernels": .string(settings.kernels),
      "quantizer": .object(JSONObject(settings.quantizer.map { ($0.key, .string($0.value)) })),
      "date": .string(settings.date),
      "parity_float": parity.map { Self.object($0.float) } ?? .null,
      "parity_int8": parity.map { Self.object($0.int8) } ?? .null,
      "reference": parity.map { .string($0.source) } ?? .null,
      "verdict": verdict?.json ?? .null,
      "report_version": .integer(Self.version),
    ]
  }

  /// Raised when a member of the JSON changes its meaning.
  private static let version = 1

  private var headJSON: JSON {
    guard let head else { return .null }
    let entities = head.entities
    func count(_ value: Int?) -> JSON { value.map { .integer($0) } ?? .null }
    return [
      "kind": .string(head.head.rawValue), "answers": .integer(head.answers),
      "flips": Self.number(head.flips),
      "max_probability_change": Self.number(head.largestProbabilityChange),
      "top1_agreement": Self.number(head.top1), "top5_agreement": Self.number(head.top5),
      "max_score_change": Self.number(head.largestScoreChange),
      "entities_changed": Self.number(entities?.changed), "entities_same": count(entities?.same),
      "entities_added": count(entities?.added), "entities_lost": count(entities?.lost),
      "entities_relabelled": count(entities?.relabelled),
      "spans_changed": Self.number(head.spans?.changed),
      "span_overlap": Self.number(head.spans?.overlap),
    ]
  }

  private static func members(_ drift: VectorDrift) -> [(String, JSON)] {
    var members: [(String, JSON)] = [
      ("sqnr_db", number(drift.sqnr)), ("cosine_mean", number(drift.cosineMean)),
      ("cosine_worst", number(drift.cosineWorst)), ("max_abs", number(drift.largestDifference)),
    ]
    if let percentile = drift.cosineFirstPercentile {
      members.append(("cosine_p1", number(percentile)))
    }
    return members
  }

  private static func object(_ drift: VectorDrift) -> JSON {
    .object(JSONObject(members(drift)))
  }

  /// JSON has no infinity or NaN: no difference at all is the largest number, NaN is null.
  private static func number(_ value: Double?) -> JSON {
    guard let value, !value.isNaN else { return .null }
    return .number(value.isInfinite ? .greatestFiniteMagnitude : value)
  }

  /// A few lines for people.
  package var summary: String { summary(verdict: nil) }

  /// The same with what a gate says of it.
  package func summary(verdict: DriftVerdict?) -> String {
    """
    drift of int8 against float32 over \(counted(texts, "text")), \(counted(tokens, "token"))
      hidden states   SQNR \(DecimalText.fixed(hidden.sqnr, 2)) dB   cosine mean \(DecimalText.fixed(hidden.cosineMean, 6)) \
    worst \(DecimalText.fixed(hidden.cosineWorst, 6))   largest difference \(DecimalText.fixed(hidden.largestDifference, 5))
      embeddings      cosine mean \(DecimalText.fixed(embedding.cosineMean, 6)) \
    worst \(DecimalText.fixed(embedding.cosineWorst, 6))
      ranking         Spearman of pairwise similarities \(DecimalText.fixed(ranking.spearman, 6))   \
    nearest text kept \(percent(ranking.top1))\(headSummary)\(paritySummary)\(gateSummary(verdict))
    """
  }

  private var paritySummary: String {
    guard let parity else { return "" }
    func line(_ path: String, _ drift: VectorDrift) -> String {
      "\n  \(path) cosine mean \(DecimalText.fixed(drift.cosineMean, 6)) worst "
        + "\(DecimalText.fixed(drift.cosineWorst, 6))   largest difference "
        + "\(DecimalText.fixed(drift.largestDifference, 6)) beside \(parity.source)"
    }
    return line("float32        ", parity.float) + line("int8           ", parity.int8)
  }

  private func gateSummary(_ verdict: DriftVerdict?) -> String {
    guard let verdict else { return "" }
    let notes = DriftSections.explanation.map { "\n  " + $0 }.joined()
    let lines = verdict.checks.map { check in
      "\n  \(check.passes ? "kept  " : "MISSED") \(check.requirement.name) \(check.valueText), "
        + "\(check.demand) required, margin \(check.marginText)"
    }
    return notes + "\n" + verdict.sentence + lines.joined()
  }

  private var headSummary: String {
    guard let head else { return "" }
    let parts = head.measures.map { "\($0.name) \($0.value)" }
    return "\n  head            \(head.head.rawValue): " + parts.joined(separator: ", ")
  }
}

extension HeadDrift {
  /// What was measured, for people: only what the head has.
  var measures: [(name: String, value: String)] {
    var list: [(name: String, value: String)] = []
    if let flips { list.append(("answers changed", percent(flips))) }
    if let top5 { list.append(("five best shared", percent(top5))) }
    if let change = largestProbabilityChange {
      list.append(("largest probability change", DecimalText.fixed(change, 5)))
    }
    if let change = largestScoreChange {
      list.append(("largest score change", DecimalText.fixed(change, 5)))
    }
    if let entities {
      list.append(
        (
          "entities",
          "\(entities.same) the same, \(entities.added) added, \(entities.lost) lost, "
            + "\(entities.relabelled) relabelled"
        ))
    }
    if let spans { list.append(("answers' tokens shared", percent(spans.overlap))) }
    return list
  }
}
