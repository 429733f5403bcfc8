import BertErrors
import BertRuntime

/// A query, and the documents that are to be ranked for it.
///
///     let question = RankingInput(query: "how do plants eat?", documents: ["Photosynthesis …", "The bank …"])
public struct RankingInput: Sendable, Hashable {
  /// What is asked.
  public var query: String
  /// What may answer it.
  public var documents: [String]
  /// What stands before the query; nil for the file's default prompt.
  public var prompt: TextPrompt?
  /// Whether a document is cut that is too long beside the query; nil does as the model's options say.
  public var truncates: Bool?

  /// A query and its documents.
  public init(query: String, documents: [String]) {
    self.query = query
    self.documents = documents
  }
}

/// A document's place in a ranking.
public struct RankedDocument: Sendable, Equatable {
  /// The document, counted from 0 in the order given.
  public let document: Int
  /// How well it fits the query, by the publisher's activation: a probability where it names none.
  public let score: Float
  /// The number that the model itself gives.
  public let logit: Float

  package init(document: Int, score: Float, logit: Float) {
    self.document = document
    self.score = score
    self.logit = logit
  }
}

extension Model {
  private func ranking(
    _ inputs: [RankingInput], _ top: Int?
  ) throws(BertError) -> TaskPlan<ScoresReader, [RankedDocument]> {
    try served.require(.rerank)
    if let top, top < 1 {
      throw BertError(.usage, "the best \(top) documents; expected at least 1")
    }
    return TaskPlan(ScoresReader(use: .textLabels, of: served), inputs) {
      [served] input throws(BertError) in
      if input.documents.isEmpty {
        throw BertError(.malformed, "there are no documents to rank for the query")
      }
      var texts: [PreparedText] = []
      for (index, document) in input.documents.enumerated() {
        do throws(BertError) {
          var text = TextInput(input.query, pair: document, prompt: input.prompt)
          text.truncates = input.truncates
          texts.append(PreparedText(try tokenize(text, defaultPrompt: true)))
        } catch {
          var error = error
          error.message = "document \(index): " + error.message
          throw error
        }
      }
      return .init(texts: texts) { rows throws(BertError) in
        var found: [RankedDocument] = []
        for (index, row) in rows.enumerated() {
          let logit = row.values[0]
          found.append(
            RankedDocument(document: index, score: try served.score(logit), logit: logit))
        }
        return Array(found.bestFirst(by: \.score).prefix(top ?? found.count))
      }
    }
  }

  private func scoring(
    _ pairs: [some ModelInput]
  ) throws(BertError) -> TaskPlan<ScoresReader, LabelScore> {
    try served.require(.rerank)
    return TaskPlan(ScoresReader(use: .textLabels, of: served), pairs) {
      [served] pair throws(BertError) in
      let input = pair.textInput
      if input.ids == nil, input.pair == nil {
        throw BertError(.malformed, "one text; how well a document fits is asked of a pair")
      }
      return .init(texts: [PreparedText(try tokenize(pair, defaultPrompt: true))]) {
        rows throws(BertError) in
        let logit = rows[0].values[0]
        return LabelScore(label: served.label(0), score: try served.score(logit), logit: logit)
      }
    }
  }

  /// Documents in falling order of how well they fit a query.
  ///
  /// Blocks.
  ///
  /// - Parameters:
  ///   - query: what is looked for.
  ///   - documents: where.
  ///   - top: how many are given; nil for all.
  ///   - request: how soon the answer is wanted.
  /// - Throws: `unsupported` for a file without a classifier of one logit; `usage` for the best 0;
  ///   `tooLong` when a document is too long beside the query; `malformed` without documents; `notUTF8`;
  ///   `notFinite` when a score is not finite.
  public func rerank(
    _ query: String, _ documents: [String], top: Int? = nil,
    request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [RankedDocument] {
    try firstError(
      answerEach(try ranking([RankingInput(query: query, documents: documents)], top), request))[0]
  }

  /// Documents in falling order of how well they fit a query.
  ///
  /// - Throws: as the method that blocks; `cancelled` when the task was.
  public func rerank(
    _ query: String, _ documents: [String], top: Int? = nil,
    request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [RankedDocument] {
    let plan = try ranking([RankingInput(query: query, documents: documents)], top)
    return try firstError(await answerEach(plan, request))[0]
  }

  /// A ranking, or an error, for each query.
  ///
  /// Blocks. A bad document spoils its own ranking alone; `relevanceEach` tells which it is.
  public func rerankEach(
    _ inputs: [RankingInput], top: Int? = nil, request: RequestOptions = RequestOptions()
  ) -> [Result<[RankedDocument], BertError>] {
    answerEach(
      Result { () throws(BertError) in try ranking(inputs, top) }, of: inputs.count, request)
  }

  /// A ranking, or an error, for each query.
  public func rerankEach(
    _ inputs: [RankingInput], top: Int? = nil, request: RequestOptions = RequestOptions()
  ) async -> [Result<[RankedDocument], BertError>] {
    await answerEach(
      Result { () throws(BertError) in try ranking(inputs, top) }, of: inputs.count, request)
  }

  /// How well the second text of each pair, a document, fits the first, a query; or an error, as for a text
  /// without a second one.
  ///
  /// Blocks.
  public func relevanceEach(
    _ pairs: [some ModelInput], request: RequestOptions = RequestOptions()
  ) -> [Result<LabelScore, BertError>] {
    answerEach(Result { () throws(BertError) in try scoring(pairs) }, of: pairs.count, request)
  }

  /// How well the second text of each pair, a document, fits the first, a query; or an error, as for a text
  /// without a second one.
  public func relevanceEach(
    _ pairs: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async -> [Result<LabelScore, BertError>] {
    await answerEach(
      Result { () throws(BertError) in try scoring(pairs) }, of: pairs.count, request)
  }
}
