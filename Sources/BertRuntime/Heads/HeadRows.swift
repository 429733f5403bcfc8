import BertErrors
import BertKernels
import BertModel

/// Rows of floats that a head works on, `stride` apart.
struct HeadRows {
  let base: UnsafePointer<Float>
  let stride: Int
  let count: Int
}

extension HeadSource {
  /// Hands out the hidden states of some tokens in blocks of up to `HeadScratch.mostRows`, with the
  /// places of a block's tokens among them.
  ///
  /// States that lie one after the other are read where they are.
  func eachBlock(
    of tokens: [Int], _ states: BertEncoder.HiddenStates,
    _ body: (Range<Int>, HeadRows) throws(BertError) -> Void
  ) throws(BertError) {
    let size = configuration.hiddenSize
    for first in stride(from: 0, to: tokens.count, by: HeadScratch.mostRows) {
      let range = first..<min(first + HeadScratch.mostRows, tokens.count)
      let some = tokens[range]
      if some.last == some[first] + some.count - 1,
        zip(some, some.dropFirst()).allSatisfy({ $0 < $1 })
      {
        let base = states.row(some[first])
        try body(range, HeadRows(base: base, stride: states.stride, count: some.count))
        continue
      }
      let stride = states.stride
      let rows = try scratch.memory(.gathered, bytes: 4 * HeadScratch.mostRows * stride).floats
      for (index, token) in some.enumerated() {
        (rows + index * stride).update(from: states.row(token), count: size)
      }
      try body(range, HeadRows(base: UnsafePointer(rows), stride: stride, count: some.count))
    }
  }

  /// Memory for a block of rows as wide as the hidden states, which a head's first linear writes.
  func transformed(_ count: Int) throws(BertError) -> (rows: HeadRows, UnsafeMutablePointer<Float>)
  {
    let stride = Workspace.stride(configuration)
    let base = try scratch.memory(.transformed, bytes: 4 * HeadScratch.mostRows * stride).floats
    return (HeadRows(base: UnsafePointer(base), stride: stride, count: count), base)
  }
}

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
    let width = linear.outputs
    try source.eachBlock(of: tokens, states) { places, x throws(BertError) in
      let read = try front?.transformed(x) ?? x
      try linear.write(read, to: out + places.lowerBound * width, stride: width)
    }
  }
}

/// A linear over one vector of each text: the first token's, or what the pooler or a first linear makes of it.
final class TextLinear {
  private let tokens: TokenLinear
  var linear: HeadLinear { tokens.linear }

  /// The linear called `stem`, of `outputs` or as many as its bias counts.
  init(
    _ stem: String, outputs: Int? = nil, behind front: HeadFront?, from source: HeadSource
  ) throws(BertError) {
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
    try tokens.write(texts.map(\.tokens.lowerBound), of: states, to: out)
  }
}
