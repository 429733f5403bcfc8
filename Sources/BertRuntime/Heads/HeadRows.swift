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

/// A linear over the hidden state of each wanted token, and nothing else.
final class TokenLinear {
  let source: HeadSource
  let linear: HeadLinear

  /// The linear called `stem`, of `outputs` or as many as its bias counts.
  init(_ stem: String, outputs: Int? = nil, from source: HeadSource) throws(BertError) {
    self.source = source
    linear = try HeadLinear(
      stem, outputs: source.outputs(stem, known: outputs), inputs: source.configuration.hiddenSize,
      from: source)
  }

  func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    let width = linear.outputs
    try scores.append(rows: texts.map(\.wanted.count)) { out throws(BertError) in
      try source.eachBlock(of: texts.flatMap(\.wanted), states) { places, x throws(BertError) in
        try linear.write(x, to: out + places.lowerBound * width, stride: width)
      }
    }
  }
}

/// The pooler, tanh of a linear over a text's first token, and a linear over that.
final class PooledLinear {
  let source: HeadSource
  let pooler: HeadLinear
  let linear: HeadLinear

  /// The linear called `stem`, of `outputs` or as many as its bias counts.
  ///
  /// - Throws: `unsupported` when the model has no pooler.
  init(_ stem: String, outputs: Int? = nil, from source: HeadSource) throws(BertError) {
    self.source = source
    let tensors = source.weights
    let stems = [FloatPart.weight, QuantizedPart.weight].map { CanonicalName.pooler + $0 }
    if stems.allSatisfy({ tensors.find($0) == nil }) {
      throw BertError(.unsupported, "the model has no pooler, which its head reads")
    }
    let size = source.configuration.hiddenSize
    pooler = try HeadLinear(CanonicalName.pooler, outputs: size, inputs: size, from: source)
    linear = try HeadLinear(
      stem, outputs: source.outputs(stem, known: outputs), inputs: size, from: source)
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
    let (size, width) = (source.configuration.hiddenSize, linear.outputs)
    let first = texts.map(\.tokens.lowerBound)
    try source.eachBlock(of: first, states) { places, x throws(BertError) in
      // An infinity makes the linear's outputs so, or NaN, which it refuses: tanh never sees one.
      let (pooled, base) = try source.transformed(x.count)
      try pooler.write(x, to: base, stride: pooled.stride)
      for row in 0..<x.count { source.kernels.calls.tanh_row(base + row * pooled.stride, size) }
      try linear.write(pooled, to: out + places.lowerBound * width, stride: width)
    }
  }
}
