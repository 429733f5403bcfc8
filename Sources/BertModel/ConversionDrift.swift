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
}
