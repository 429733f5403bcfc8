import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import Fixtures

/// What a checkpoint gives for one text in float32.
struct Answer {
  /// Hidden states after the last layer, row after row.
  let states: [Float]
  /// Their mean.
  let mean: [Float]
  /// The pooler's output; empty when the model has no pooler.
  let pooled: [Float]
}

extension ServedModel {
  /// The float32 path over texts, as one batch.
  func floatAnswers(_ inputs: [TextInput]) throws(BertError) -> [Answer] {
    let kernels = try KernelSet.choose()
    let encoder = try encoder(.float32, kernels: kernels, team: ThreadTeam(count: 2))
    let mean = try Pooler(.mean, source: file, kernels: kernels)
    let hasPooler = file.find(CanonicalName.pooler + ".weight") != nil
    let pooler = try Pooler(hasPooler ? .pooler : .cls, source: file, kernels: kernels)
    var batch = TokenBatch()
    for input in inputs { try append(input, to: &batch, truncates: false) }
    let width = description.configuration.hiddenSize
    var answers: [Answer] = []
    try encoder.encode(batch) { pass throws(BertError) in
      for text in pass.texts {
        let tokens = batch.range(text)
        answers.append(
          Answer(
            states: tokens.flatMap { UnsafeBufferPointer(start: pass.row($0), count: width) },
            mean: try mean.vector(pass, tokens: tokens),
            pooled: hasPooler ? try pooler.vector(pass, tokens: tokens) : []))
      }
    }
    return answers
  }
}

extension ServedModel {
  /// The float32 scores of a head over texts, as one batch.
  func floatScores(
    _ inputs: [TextInput], _ make: (HeadSource) throws -> any Head
  ) throws -> HeadScores {
    let kernels = try KernelSet.choose()
    let team = ThreadTeam(count: 2)
    let encoder = try encoder(.float32, kernels: kernels, team: team)
    let head = try make(
      HeadSource(file, precision: .float32, kernels: kernels, team: team))
    var batch = TokenBatch()
    for input in inputs { try append(input, to: &batch, truncates: false) }
    var scores = HeadScores(width: head.width)
    try encoder.encode(batch) { states throws(BertError) in
      try head.append(states, of: batch, to: &scores)
    }
    return scores
  }
}

/// The cosine of two vectors.
func cosine(_ a: [Float], _ b: [Float]) -> Double {
  VectorDifference(reference: b, other: a).cosine
}

/// What float32 may differ by from the reference, which itself is 3.4e-6 from double precision.
let parityTolerance = 2e-5
/// The least cosine of a pooled vector with the reference's.
let parityCosine = 0.9999999
