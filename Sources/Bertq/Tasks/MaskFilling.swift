import BertErrors
import BertModel
import BertRuntime
import BertTokenize

/// A word that may stand where a mask is.
public struct MaskCandidate: Sendable, Equatable {
  /// The word's text.
  public let token: String
  /// Its id of the vocabulary.
  public let id: Int32
  /// Its probability, among all words of the vocabulary.
  public let score: Float
}

/// A mask of a text, and what may stand there.
///
///     let masks = try model.fillMask(["Paris is the [MASK] of France."])[0]
///     print(masks[0].candidates[0].token)
public struct FilledMask: Sendable, Equatable {
  /// Whether it is in the second text of a pair.
  public let isInPair: Bool
  /// The mask's first Unicode scalar in its text.
  public let start: Int
  /// One behind its last.
  public let end: Int
  /// The first byte, in UTF-8.
  public let byteStart: Int
  /// One behind the last.
  public let byteEnd: Int
  /// The likeliest words, best first; of equal ones the lower id.
  public let candidates: [MaskCandidate]
}

extension Model {
  /// The ids of words that alone may fill a mask.
  ///
  /// - Throws: `usage` for a word that is not one token of the vocabulary, or when there are none.
  private func targetIDs(_ targets: [String]?) throws(BertError) -> [Int32]? {
    guard let targets else { return nil }
    if targets.isEmpty { throw BertError(.usage, "no targets; expected at least one word") }
    let tokenizer = try served.requireTokenizer()
    var ids: Set<Int32> = []
    for target in targets {
      if let id = tokenizer.vocabulary.id(of: target) {
        ids.insert(id)
        continue
      }
      let tokens = try tokenizer.bare(Array(target.utf8)).ids
      guard tokens.count == 1, tokens[0] != tokenizer.unknownID else {
        let pieces = tokens.compactMap(token).joined(separator: " ")
        throw BertError(
          .usage,
          "the target '\(target.prefix(80))' is not one token of the vocabulary"
            + (tokens.isEmpty ? "" : " but '\(pieces.prefix(120))'"))
      }
      ids.insert(tokens[0])
    }
    return ids.sorted()
  }

  private func filling(
    _ texts: [some ModelInput], _ top: Int, _ targets: [String]?
  ) throws(BertError) -> TaskPlan<WordsReader, [FilledMask]> {
    try served.require(.fillMask)
    if top < 1 { throw BertError(.usage, "the best \(top) words; expected at least 1") }
    let ids = try targetIDs(targets)
    let tokenizer = try served.requireTokenizer()
    guard let mask = tokenizer.maskID else {
      throw BertError(
        .unsupported, "the vocabulary has no mask token '\(tokenizer.settings.maskToken)'",
        file: served.file.path)
    }
    let reader = WordsReader(
      use: .words(
        top: min(top, ids?.count ?? served.description.configuration.vocabularySize), targets: ids))
    return TaskPlan(reader, texts) { [served] text throws(BertError) in
      let input = text.textInput
      let framed = try served.framed(input, truncates: truncates)
      let texts = Array(framed.first) + Array(framed.second)
      let masks = texts.filter { framed.ids[$0] == mask }.sorted()
      if masks.isEmpty {
        throw BertError(
          .malformed, "the text has no '\(tokenizer.settings.maskToken)' to be filled")
      }
      return .init(texts: [PreparedText(framed, rows: .rows(masks))]) { found in
        let first = TextPlaces(
          input.words.map { Array($0.joined(separator: " ").utf8) } ?? input.text)
        let second = TextPlaces(input.pair ?? [])
        return zip(masks, found[0]).map { place, candidates in
          let isInPair = framed.second.contains(place)
          let places = isInPair ? second : first
          let span = framed.spans[place]
          return FilledMask(
            isInPair: isInPair, start: Int(span.start), end: Int(span.end),
            byteStart: places.byte(Int(span.start)), byteEnd: places.byte(Int(span.end)),
            candidates: candidates.map {
              MaskCandidate(
                token: tokenizer.decode([$0.id], skippingSpecials: false), id: $0.id,
                score: $0.score)
            })
        }
      }
    }
  }

  /// The words that may stand at each mask of each text.
  ///
  /// Masks are the vocabulary's mask token in the text, such as `[MASK]`.
  ///
  /// Blocks.
  ///
  /// - Parameters:
  ///   - texts: with a mask each, or several.
  ///   - top: the most words of a mask.
  ///   - targets: the only words that count; probabilities stay those among all words. Nil for all.
  ///   - request: how soon the answers are wanted.
  /// - Throws: `unsupported` for a file without such a head; `usage` for targets that are no single token;
  ///   the first bad text's error: `malformed` for one without a mask, `tooLong`, `notUTF8`, `notFinite` when a
  ///   score is not finite.
  public func fillMask(
    _ texts: [some ModelInput], top: Int = 5, targets: [String]? = nil,
    request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [[FilledMask]] {
    try firstError(answerEach(try filling(texts, top, targets), request))
  }

  /// The words at each mask, or an error, for each text.
  ///
  /// Blocks.
  public func fillMaskEach(
    _ texts: [some ModelInput], top: Int = 5, targets: [String]? = nil,
    request: RequestOptions = RequestOptions()
  ) -> [Result<[FilledMask], BertError>] {
    answerEach(
      Result { () throws(BertError) in try filling(texts, top, targets) }, of: texts.count, request)
  }

  /// The words that may stand at each mask of each text.
  ///
  /// - Throws: as the method that blocks; `cancelled` when the task was.
  public func fillMask(
    _ texts: [some ModelInput], top: Int = 5, targets: [String]? = nil,
    request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [[FilledMask]] {
    try firstError(await answerEach(try filling(texts, top, targets), request))
  }

  /// The words at each mask, or an error, for each text.
  public func fillMaskEach(
    _ texts: [some ModelInput], top: Int = 5, targets: [String]? = nil,
    request: RequestOptions = RequestOptions()
  ) async -> [Result<[FilledMask], BertError>] {
    await answerEach(
      Result { () throws(BertError) in try filling(texts, top, targets) }, of: texts.count, request)
  }
}
