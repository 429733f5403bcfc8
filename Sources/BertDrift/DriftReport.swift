import JSONText

/// What int8 cost on some texts, beside the float32 path of the same file.
public struct DriftReport: Sendable {
  /// How it was measured.
  public struct Settings: Sendable {
    /// The kernels that ran.
    public var kernels: String
    /// What the quantiser was told and chose.
    public var quantizer: [(key: String, value: String)]
    /// When, as an ISO 8601 date; empty to leave it out.
    public var date: String

    /// Describes a measurement.
    public init(kernels: String, quantizer: [(key: String, value: String)], date: String) {
      self.kernels = kernels
      self.quantizer = quantizer
      self.date = date
    }
  }

  /// The fingerprint of the int8 vectors.
  public let fingerprint: String
  /// Texts compared.
  public let texts: Int
  /// Tokens compared.
  public let tokens: Int
  /// The last layer's hidden states, token by token.
  public let hidden: VectorDrift
  /// The pooled vectors, text by text.
  public let embedding: VectorDrift
  /// Rank correlation of the similarities of every pair of texts; nil for fewer than three texts.
  public let spearman: Double?
  /// Every layer's hidden states.
  public let layers: [VectorDrift]
  /// How it was measured.
  public let settings: Settings

  /// The report as JSON, in the order that the format promises.
  public var json: JSON {
    [
      "fingerprint": .string(fingerprint),
      "texts": .integer(texts),
      "tokens": .integer(tokens),
      "hidden": Self.json(hidden),
      "embedding": Self.json(embedding),
      "ranking": ["spearman": Self.number(spearman)],
      "layers": .array(
        layers.enumerated().map { index, layer in
          var members: [(String, JSON)] = [("layer", .integer(index))]
          if let object = Self.json(layer).objectValue {
            members += object.map { ($0.key, $0.value) }
          }
          return .object(JSONObject(members))
        }),
      "kernels": .string(settings.kernels),
      "quantizer": .object(JSONObject(settings.quantizer.map { ($0.key, .string($0.value)) })),
      "date": .string(settings.date),
    ]
  }

  private static func json(_ drift: VectorDrift) -> JSON {
    var members: [(String, JSON)] = [
      ("sqnr_db", number(drift.sqnr)), ("cosine_mean", number(drift.cosineMean)),
      ("cosine_worst", number(drift.cosineWorst)), ("max_abs", number(drift.largestDifference)),
    ]
    if let percentile = drift.cosineFirstPercentile {
      members.append(("cosine_p1", number(percentile)))
    }
    return .object(JSONObject(members))
  }

  /// JSON has no infinity or NaN: no difference at all is the largest number, NaN is null.
  private static func number(_ value: Double?) -> JSON {
    guard let value, !value.isNaN else { return .null }
    return .number(value.isInfinite ? .greatestFiniteMagnitude : value)
  }

  /// A few lines for people.
  public var summary: String {
    func fixed(_ value: Double?, _ digits: Int) -> String {
      guard let value else { return "n/a" }
      guard value.isFinite, abs(value) < 1e15 else { return value.isInfinite ? "no drift" : "NaN" }
      var scale = 1.0
      for _ in 0..<digits { scale *= 10 }
      let units = Int((abs(value) * scale).rounded())
      let fraction = String(units % Int(scale))
      let sign = value < 0 ? "-" : ""
      return "\(sign)\(units / Int(scale))."
        + String(repeating: "0", count: digits - fraction.count) + fraction
    }
    return """
      drift of int8 against float32 over \(texts) texts, \(tokens) tokens
        hidden states   SQNR \(fixed(hidden.sqnr, 2)) dB   cosine mean \(fixed(hidden.cosineMean, 6)) \
      worst \(fixed(hidden.cosineWorst, 6))   largest difference \(fixed(hidden.largestDifference, 5))
        embeddings      cosine mean \(fixed(embedding.cosineMean, 6)) \
      worst \(fixed(embedding.cosineWorst, 6))
        ranking         Spearman of pairwise similarities \(fixed(spearman, 6))
      """
  }
}
