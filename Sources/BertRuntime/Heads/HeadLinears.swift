import BertErrors
import BertKernels
import BertModel

/// A linear over the hidden state of each wanted token, or over what a first linear makes of it.
final class TokenLinear {
  let source: HeadSource
  let linear: HeadLinear
  private let front: HeadFront?

  /// The linear called `stem`, of `outputs` or as many as its bias counts.
  init(
    _ stem: String, outputs: Int? = nil, behind front: HeadFront? = nil, from source: HeadSource
  ) throws(BertError) {
    self.source = source
    self.front = front
    linear = try HeadLinear(
      stem, outputs: source.outputs(stem, known: outputs), inputs: source.configuration.hiddenSize,
      from: source)
  }

  func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    try scores.append(rows: texts.map(\.wanted.count)) { out throws(BertError) in
      try write(texts.flatMap(\.wanted), of: states, to: out)
    }
  }

  /// A row for each token, end to end.
  func write(
    _ tokens: [Int], of states: BertEncoder.HiddenStates, to out: UnsafeMutablePointer<Float>
  ) throws(BertError) {
    try source.eachBlock(of: tokens, states) { places, x throws(BertError) in
      try write(x, places, to: out)
    }
  }

  /// A row for the mean of each text's tokens, end to end.
  func write(
    meansOf texts: [Range<Int>], of states: BertEncoder.HiddenStates,
    to out: UnsafeMutablePointer<Float>
  ) throws(BertError) {
    try source.eachBlock(ofMeans: texts, states) { places, x throws(BertError) in
      try write(x, places, to: out)
    }
  }

  private func write(
    _ x: HeadRows, _ places: Range<Int>, to out: UnsafeMutablePointer<Float>
  ) throws(BertError) {
    let width = linear.outputs
    let read = try front?.transformed(x) ?? x
    try linear.write(read, to: out + places.lowerBound * width, stride: width)
  }
}

/// A linear over one vector of each text, the first token's or the mean of all, or over what the pooler or a first
/// linear makes of it.
final class TextLinear {
  private let tokens: TokenLinear
  private let readsMean: Bool
  var linear: HeadLinear { tokens.linear }

  /// The linear called `stem`, of `outputs` or as many as its bias counts.
  init(
    _ stem: String, outputs: Int? = nil, behind front: HeadFront?, readsMean: Bool = false,
    from source: HeadSource
  ) throws(BertError) {
    self.readsMean = readsMean
    tokens = try TokenLinear(stem, outputs: outputs, behind: front, from: source)
  }

  func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    try scores.append(rows: texts.map { _ in 1 }) { out throws(BertError) in
      try write(texts, of: states, to: out)
    }
  }

  /// A row for each text, end to end.
  func write(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to out: UnsafeMutablePointer<Float>
  ) throws(BertError) {
    if readsMean { return try tokens.write(meansOf: texts.map(\.tokens), of: states, to: out) }
    try tokens.write(texts.map(\.tokens.lowerBound), of: states, to: out)
  }
}
