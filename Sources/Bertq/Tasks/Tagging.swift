import BertErrors
import BertModel
import BertRuntime
import BertTokenize

/// A part of a text that has a label.
///
///     let entities = try model.tag(["Alice lives in Paris"])[0]
///     for entity in entities { print(entity.label, entity.text, entity.start, entity.end) }
public struct Entity: Sendable, Equatable {
  /// The label: without `B-` and `I-`, unless tokens are not aggregated.
  public let label: String
  /// Its probability; the mean over the words of the entity.
  public let score: Float
  /// The first Unicode scalar of the text that belongs to it.
  public let start: Int
  /// One behind the last.
  public let end: Int
  /// The first byte, in UTF-8.
  public let byteStart: Int
  /// One behind the last.
  public let byteEnd: Int
  /// The text itself, as given.
  public let text: String
}

/// How the labels of tokens become entities.
public enum Aggregation: String, Sendable, CaseIterable {
  /// They do not: an entity for each token.
  case none
  /// Neighbouring tokens of one label are an entity.
  case simple
  /// As `simple`, of words: a word has the label of its first token.
  case first
  /// As `simple`, of words: a word has the label with the highest mean over its tokens.
  case average
  /// As `simple`, of words: a word has the label of the token that is surest.
  case max
}

extension Model {
  private func tagging(
    _ texts: [some ModelInput], _ aggregation: Aggregation
  ) throws(BertError) -> TaskPlan<ScoresReader, [Entity]> {
    try served.require(.tag)
    let served = served
    let names = (0..<(served.classifierWidth ?? 0)).map(served.label)
    return TaskPlan(ScoresReader(use: .tokenLabels), texts) { text throws(BertError) in
      let input = text.textInput
      if input.pair != nil {
        throw BertError(.malformed, "a pair of texts; tagging takes one at a time")
      }
      let framed = try served.framed(input, truncates: truncates)
      let bytes = input.words.map { Array($0.joined(separator: " ").utf8) } ?? input.text
      // A text without tokens has no entities, but the model is asked all the same.
      let own = Array(framed.first)
      let rows = WantedRows.rows(own.isEmpty ? [0] : own)
      return .init(texts: [PreparedText(framed, rows: rows)]) { scores throws(BertError) in
        if own.isEmpty { return [] }
        let places = TextPlaces(bytes)
        let tokens = own.enumerated().map { row, place in
          TaggedToken(
            id: framed.ids[place], span: framed.spans[place], text: places,
            probabilities: Softmax.probabilities(scores[0][row]), served: served)
        }
        return EntityGrouping(names: names, aggregation: aggregation).entities(tokens, places)
      }
    }
  }

  /// The entities of each text, as the model labels its tokens.
  ///
  /// What has the label `O` is left out.
  ///
  /// Blocks.
  ///
  /// - Throws: `unsupported` for a file without such a head; the first bad text's error: `tooLong`,
  ///   `notUTF8`, `malformed` for a pair or token ids, `notFinite` when a score is not finite.
  public func tag(
    _ texts: [some ModelInput], aggregation: Aggregation = .simple,
    request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [[Entity]] {
    try firstError(answerEach(try tagging(texts, aggregation), request))
  }

  /// The entities, or an error, for each text.
  ///
  /// Blocks.
  public func tagEach(
    _ texts: [some ModelInput], aggregation: Aggregation = .simple,
    request: RequestOptions = RequestOptions()
  ) -> [Result<[Entity], BertError>] {
    answerEach(
      Result { () throws(BertError) in try tagging(texts, aggregation) }, of: texts.count, request)
  }

  /// The entities of each text, as the model labels its tokens.
  ///
  /// - Throws: as the method that blocks; `cancelled` when the task was.
  public func tag(
    _ texts: [some ModelInput], aggregation: Aggregation = .simple,
    request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [[Entity]] {
    try firstError(await answerEach(try tagging(texts, aggregation), request))
  }

  /// The entities, or an error, for each text.
  public func tagEach(
    _ texts: [some ModelInput], aggregation: Aggregation = .simple,
    request: RequestOptions = RequestOptions()
  ) async -> [Result<[Entity], BertError>] {
    await answerEach(
      Result { () throws(BertError) in try tagging(texts, aggregation) }, of: texts.count, request)
  }
}

extension TaggedToken {
  /// A token with the probabilities of its labels.
  ///
  /// Whether it continues a word is told as the reference tells it: where pieces have a prefix, by their
  /// length beside that of the text they cover; else by the white space before them.
  fileprivate init(
    id: Int32, span: TokenSpan, text: TextPlaces, probabilities: [Float], served: ServedModel
  ) {
    let (start, end) = (Int(span.start), Int(span.end))
    let isUnknown = id == served.tokenizer?.unknownID
    var continues = false
    if !isUnknown {
      if let prefix = served.description.tokenizer?.wordPiece?.continuationPrefix, !prefix.isEmpty {
        let piece = served.tokenizer?.vocabulary.token(Int(id)) ?? []
        continues = String(decoding: piece, as: UTF8.self).unicodeScalars.count != end - start
      } else {
        let isSpace = [start - 1, start].contains { text.scalar($0) == 0x20 }
        continues = start > 0 && !isSpace
      }
    }
    self.init(
      probabilities: probabilities, start: start, end: end, continuesWord: continues)
  }
}
