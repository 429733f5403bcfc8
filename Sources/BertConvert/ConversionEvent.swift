/// What a conversion says while it works.
public enum ConversionEvent: Sendable {
  /// How far a stage of the work is: `done` of `total` steps.
  case progress(stage: Stage, done: Int, of: Int)
  /// Something that a user should know: a sentence.
  case note(String)

  /// A stage of the work that takes its time.
  public enum Stage: String, Sendable {
    /// Weights are read, changed and written.
    case converting
    /// Texts go through the layers, and weights are fitted to what they meet there.
    case calibrating
    /// Weights are rounded without texts.
    case quantising
    /// Linears are tried in float32, to find those that a drift limit needs.
    case measuring
  }
}

/// Who is told.
package typealias ConversionWatch = (ConversionEvent) -> Void
