import BertErrors
import BertModel

/// Text to token ids and back, exactly as published models expect it: as Hugging Face's fast tokenizers do it.
///
/// Making one takes microseconds and is O(1) in the vocabulary. It may be used by any number of threads.
package final class Tokenizer: Sendable {
  /// The tokens.
  package let vocabulary: TokenNames
  /// The settings.
  package let settings: TokenizerSettings
  /// The id of words without pieces; nil when the vocabulary has none.
  package let unknownID: Int32?
  /// The id that fills batches elsewhere; nil when the vocabulary has none.
  package let padID: Int32?
  /// The id of a word to be filled in; nil when the vocabulary has none.
  package let maskID: Int32?

  /// What makes tokens of a text.
  enum Engine: Sendable {
    case wordPiece(WordPieceTokenizer)
    case text(TextTokenizer)
  }

  let engine: Engine
  let single: Frame
  let pair: Frame
  /// Ids that decoding leaves out.
  private let specialIDs: Set<Int32>
  private let embeddingRows: Int

  /// Opens a tokenizer's tables and checks the settings against them.
  ///
  /// The vocabulary may hold tokens beyond `embeddingRows`: a text that has one is refused.
  /// Throws `malformed` for a damaged table, or when the vocabulary lacks the tokens that frame every input, and
  /// `unsupported` when a setting is out of its limits or not computed.
  package convenience init(
    tables: TokenizerTables, settings: TokenizerSettings, embeddingRows: Int = .max
  ) throws(BertError) {
    switch settings.kind {
    case .wordPiece:
      try self.init(
        vocabulary: tables.vocabulary(), settings: settings, embeddingRows: embeddingRows)
    case .bytePairs(let rules):
      let vocabulary = try tables.vocabulary()
      let merges = try tables.merges()
      let model = BytePairModel(merges.reader, words: vocabulary.reader)
      try self.init(
        TokenNames(vocabulary), settings, embeddingRows
      ) { (added, _) throws(BertError) in
        .text(try TextTokenizer(.bytePairs(model), rules, tables, added: added))
      }
    case .unigram(let rules):
      let pieces = try tables.pieces()
      try self.init(
        TokenNames(pieces), settings, embeddingRows
      ) { (added, _) throws(BertError) in
        .text(
          try TextTokenizer(.unigram(UnigramModel(pieces.reader)), rules, tables, added: added))
      }
    }
  }

  /// A WordPiece tokenizer; see `init(tables:settings:embeddingRows:)`.
  package convenience init(
    vocabulary: VocabularyTable, settings: TokenizerSettings = TokenizerSettings(),
    embeddingRows: Int = .max
  ) throws(BertError) {
    guard case .wordPiece(let words) = settings.kind else {
      throw BertError(
        .unsupported, "the tokenizer is \(settings.kind.name), which needs further tables")
    }
    try self.init(TokenNames(vocabulary), settings, embeddingRows) {
      (added, unknownID) throws(BertError) in
      .wordPiece(
        try WordPieceTokenizer(words, vocabulary, added: added, unknownID: unknownID))
    }
  }

  private init(
    _ names: TokenNames, _ settings: TokenizerSettings, _ embeddingRows: Int,
    _ engine: ([AddedToken], Int32?) throws(BertError) -> Engine
  ) throws(BertError) {
    vocabulary = names
    self.settings = settings
    self.embeddingRows = embeddingRows
    let added = try Self.addedTokens(settings, names)
    // By bytes: strings are equal where Unicode thinks them equivalent.
    let addedIDs = Dictionary(
      added.map { (Array($0.text.utf8), Int32(truncatingIfNeeded: $0.id)) },
      uniquingKeysWith: { $1 })
    func id(_ token: String) -> Int32? { addedIDs[Array(token.utf8)] ?? names.id(of: token) }
    unknownID =
      settings.wordPiece == nil ? id(settings.unknownToken) : names.id(of: settings.unknownToken)
    // What a word becomes is asked first: without it there may be no token at all.
    self.engine = try engine(added, unknownID)
    single = try Frame(settings.singleTemplate, tokens: names.count, id: id)
    pair = try Frame(settings.pairTemplate, tokens: names.count, id: id)
    padID = id(settings.padToken)
    maskID = id(settings.maskToken)
    specialIDs = Set(added.lazy.filter(\.isSpecial).map { Int32(truncatingIfNeeded: $0.id) })
  }

  /// The tokens to be found in texts, said or not.
  private static func addedTokens(
    _ settings: TokenizerSettings, _ vocabulary: TokenNames
  ) throws(BertError) -> [AddedToken] {
    if settings.addedTokens.isEmpty {
      let texts = [
        settings.unknownToken, settings.separatorToken, settings.padToken, settings.classToken,
        settings.maskToken,
      ]
      return texts.compactMap { text in
        text.isEmpty ? nil : vocabulary.id(of: text).map { AddedToken(text, id: Int($0)) }
      }
    }
    for token in settings.addedTokens where !(0..<vocabulary.count).contains(token.id) {
      throw BertError(
        .malformed,
        "the added token '\(token.text.prefix(80))' has the id \(token.id); the vocabulary has "
          + "\(vocabulary.count) tokens")
    }
    return settings.addedTokens
  }

  /// Whether an id is that of a special token.
  func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

  /// Appends a text, or a pair, in its frame: `[CLS] text [SEP]`, `[CLS] text [SEP] pair [SEP]`, or what the
  /// settings say.
  ///
  /// Texts are UTF-8; bytes that are not count as U+FFFD, which BERT ignores. With a limit the texts are
  /// cut, at their ends unless it or the settings say otherwise, and the result says by how many tokens; without
  /// one nothing is ever cut. Spans are for tasks that point into the text and take more time. Without
  /// specials only the texts' own tokens are appended.
  /// Throws `usage` when the limit cannot be kept and `malformed` when a word is unknown and the vocabulary
  /// has no unknown token; nothing is appended then.
  @discardableResult
  package func encode(
    _ text: UnsafeBufferPointer<UInt8>, pair second: UnsafeBufferPointer<UInt8>? = nil,
    limit: TokenLimit? = nil, addsSpecials: Bool = true, spans: Bool = false,
    appendingTo encoding: inout TokenizedText
  ) throws(BertError) -> EncodedInput {
    let before = (encoding.ids.count, encoding.spans.count)
    guard max(text.count, second?.count ?? 0) <= Int(Int32.max) else {
      throw BertError(.unsupported, "a text of \(text.count) bytes, expected less than 2 GiB")
    }
    let frame =
      second == nil
      ? addsSpecials ? single : .bareSingle
      : addsSpecials ? pair : .barePair
    do throws(BertError) {
      let lengths = try appendTexts(text, second, frame, spans, &encoding)
      let kept = try limit?.kept(
        first: lengths.first, second: second == nil ? nil : lengths.second,
        specials: frame.tokenCount)
      let left = Lengths(kept?.first ?? lengths.first, kept?.second ?? lengths.second)
      cut(
        lengths, to: left, left: limit?.cutsLeft ?? settings.cutsLeft, frame, spans, &encoding)
      try requireEmbeddings(encoding.ids[before.0...])
      appendTypes(left, frame, &encoding)
      return EncodedInput(
        count: left.first + left.second + frame.tokenCount,
        cutFromFirst: lengths.first - left.first, cutFromSecond: lengths.second - left.second)
    } catch {
      encoding.ids.removeLast(encoding.ids.count - before.0)
      encoding.spans.removeLast(encoding.spans.count - before.1)
      throw error
    }
  }

  /// Refuses tokens of the vocabulary that the model has no vector for.
  private func requireEmbeddings(_ ids: ArraySlice<Int32>) throws(BertError) {
    guard vocabulary.count > embeddingRows, let id = ids.first(where: { $0 >= embeddingRows })
    else { return }
    let token = vocabulary.token(Int(id)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    throw BertError(
      .malformed,
      "the text has the token '\(token.prefix(80))', whose id \(id) is beyond the model's "
        + "\(embeddingRows) embeddings")
  }

  /// Tokens of the two texts without specials; the second is 0 for a single text.
  private struct Lengths {
    var first: Int
    var second: Int
    init(_ first: Int, _ second: Int) { (self.first, self.second) = (first, second) }
  }

  private func appendTexts(
    _ text: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>?, _ frame: Frame,
    _ spans: Bool, _ encoding: inout TokenizedText
  ) throws(BertError) -> Lengths {
    var lengths = Lengths(0, 0)
    var isComplete = true
    switch engine {
    case .wordPiece(let words):
      words.withScanner(&encoding, spans: spans) { scanner in
        for step in frame.steps {
          let start = scanner.ids.count
          switch step.part {
          case .token(let id): scanner.add(id)
          case .firstText:
            words.scan(text, with: &scanner)
            lengths.first = scanner.ids.count - start
          case .secondText:
            if let second { words.scan(second, with: &scanner) }
            lengths.second = scanner.ids.count - start
          }
        }
        isComplete = !scanner.lacksUnknown
      }
    case .text(let tokenizer):
      var run = TextRun(tracksSpans: spans)
      swap(&run.ids, &encoding.ids)
      swap(&run.spans, &encoding.spans)
      for step in frame.steps {
        let start = run.ids.count
        switch step.part {
        case .token(let id): run.add(id)
        case .firstText:
          tokenizer.scan(text, &run)
          lengths.first = run.ids.count - start
        case .secondText:
          if let second { tokenizer.scan(second, &run) }
          lengths.second = run.ids.count - start
        }
      }
      swap(&run.ids, &encoding.ids)
      swap(&run.spans, &encoding.spans)
    }
    guard isComplete else {
      throw BertError(
        .malformed,
        "a word is not in the vocabulary, and neither is '\(settings.unknownToken)' to stand for it"
      )
    }
    return lengths
  }

  /// Removes what is over the limit from the input that ends the encoding.
  private func cut(
    _ lengths: Lengths, to left: Lengths, left cutsLeft: Bool, _ frame: Frame, _ spans: Bool,
    _ encoding: inout TokenizedText
  ) {
    if lengths.first == left.first && lengths.second == left.second { return }
    var behind = 0
    for step in frame.steps.reversed() {
      let (length, kept) =
        switch step.part {
        case .token: (1, 1)
        case .firstText: (lengths.first, left.first)
        case .secondText: (lengths.second, left.second)
        }
      encoding.removeTokens(
        length - kept, leaving: behind + (cutsLeft ? kept : 0), spans: spans)
      behind += kept
    }
  }

  /// Appends a run of equal types at once, so that a short text's array grows once.
  private func appendTypes(_ lengths: Lengths, _ frame: Frame, _ encoding: inout TokenizedText) {
    var run = (type: frame.steps.first?.tokenType ?? 0, count: 0)
    for step in frame.steps {
      if step.tokenType != run.type {
        encoding.typeIDs.append(contentsOf: repeatElement(run.type, count: run.count))
        run = (step.tokenType, 0)
      }
      let count =
        switch step.part {
        case .token: 1
        case .firstText: lengths.first
        case .secondText: lengths.second
        }
      run.count += count
    }
    encoding.typeIDs.append(contentsOf: repeatElement(run.type, count: run.count))
  }
}
