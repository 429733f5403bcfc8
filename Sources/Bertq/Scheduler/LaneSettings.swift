/// What a policy goes by; results never depend on it.
struct LaneSettings: Sendable {
  /// Lanes: one core and one workspace each.
  var lanes: Int
  /// The most tokens of several texts that a lane computes at once; a longer text is computed alone.
  var passTokens = 1
  /// The same for interactive texts that wait together.
  var interactivePassTokens = 1
  /// The same for bulk while somebody waits for short answers: enough rows to fill a kernel's block.
  var shortPassTokens = 1
  /// The tokens of a text for each lane that computes it, where several do; nil for one lane a text.
  var gangTokens: Int?
  /// For so many seconds after an interactive text bulk is computed in short passes.
  var alertSeconds = 0.1

  /// A text at a time on each of so many lanes.
  init(lanes: Int) { self.lanes = max(1, lanes) }

  /// How many lanes compute a text together, of those that would be idle otherwise: all, or a power of
  /// two, so that gangs of few sizes have to be kept.
  func gang(of tokens: Int, idle: Int) -> Int {
    guard let gangTokens, idle > 1 else { return 1 }
    let most = min(idle, (tokens + gangTokens - 1) / gangTokens)
    if most >= lanes { return lanes }
    var share = 1
    while share * 2 <= most { share *= 2 }
    return share
  }
}
