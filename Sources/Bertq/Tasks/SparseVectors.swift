import BertErrors
import BertRuntime

/// A text as weights of the vocabulary's words, for an inverted index.
///
///     let vector = try model.sparse(["a text"])[0]
///     for (index, value) in zip(vector.indices, vector.values) { print(model.token(index) ?? "", value) }
public struct SparseWeights: Sendable, Equatable {
  /// Ids of the vocabulary whose weight is not 0: the largest weight first; of equal ones the lower id.
  public let indices: [Int32]
  /// A weight for each.
  public let values: [Float]
}

extension Model {
  private func weighing(
    _ texts: [some ModelInput]
  ) throws(BertError) -> TaskPlan<SparseReader, SparseWeights> {
    try served.require(.sparse)
    return TaskPlan(SparseReader(), texts) { text throws(BertError) in
      .init(texts: [PreparedText(try tokenize(text, defaultPrompt: true))]) { vectors in
        let pairs = Array(zip(vectors[0].ids, vectors[0].weights)).bestFirst { $0.1 }
        return SparseWeights(indices: pairs.map(\.0), values: pairs.map(\.1))
      }
    }
  }

  /// The weights of each text's words: log(1 + max(logit, 0)), the largest over its tokens (SPLADE), or as
  /// the file says.
  ///
  /// Blocks.
  ///
  /// - Throws: `unsupported` for a file without such a head; the first bad text's error: `tooLong`,
  ///   `notUTF8`, `notFinite` when a score is not finite.
  public func sparse(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [SparseWeights] {
    try firstError(answerEach(try weighing(texts), request))
  }

  /// The weights of words, or an error, for each text.
  ///
  /// Blocks.
  public func sparseEach(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) -> [Result<SparseWeights, BertError>] {
    answerEach(Result { () throws(BertError) in try weighing(texts) }, of: texts.count, request)
  }

  /// The weights of each text's words.
  ///
  /// - Throws: as the method that blocks; `cancelled` when the task was.
  public func sparse(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [SparseWeights] {
    try firstError(await answerEach(try weighing(texts), request))
  }

  /// The weights of words, or an error, for each text.
  public func sparseEach(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async -> [Result<SparseWeights, BertError>] {
    await answerEach(
      Result { () throws(BertError) in try weighing(texts) }, of: texts.count, request)
  }
}
