import BertErrors

/// How far a model's int8 path lies from its float32 one, measured when it was converted, on texts
/// that no weight was fitted to.
package struct ConversionDrift: Equatable, Sendable {
  /// What the texts are, for people.
  package var source: String
  /// How many texts.
  package var texts: Int
  /// Their tokens.
  package var tokens: Int
  /// The last hidden states' signal-to-quantisation-noise ratio in dB.
  package var sqnr: Double
  /// The mean cosine of a text's two vectors.
  package var meanCosine: Double
  /// The least of them.
  package var worstCosine: Double

  /// Puts a measurement together.
  package init(
    source: String, texts: Int, tokens: Int, sqnr: Double, meanCosine: Double, worstCosine: Double
  ) {
    self.source = source
    self.texts = texts
    self.tokens = tokens
    self.sqnr = sqnr
    self.meanCosine = meanCosine
    self.worstCosine = worstCosine
  }

  /// What was measured, for people.
  package var sentence: String {
    "SQNR \(DecimalText.fixed(sqnr, 1)) dB, worst cosine \(DecimalText.fixed(worstCosine, 5)), over \(texts) texts of "
      + source
  }

  /// Whether so much is lost that a user should look for the cause: an error of a tenth, or a text whose vector points
  /// elsewhere.
  package var isLarge: Bool { sqnr < 20 || worstCosine < 0.99 }
}
