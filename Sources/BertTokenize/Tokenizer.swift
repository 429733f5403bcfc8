import BertErrors
import BertModel

/// WordPiece, exactly as published BERT models expect it: as Hugging Face's fast tokenizer does it.
///
/// Making one takes microseconds and is O(1) in the vocabulary. It may be used by any number of threads.
package final class Tokenizer: Sendable {
  /// The vocabulary.
  package let vocabulary: VocabularyTable
  /// The settings.
  package let settings: TokenizerSettings
  /// The id of words without pieces; nil when the vocabulary has none.
  package let unknownID: Int32?
  /// The id that fills batches elsewhere; nil when the vocabulary has none.
  package let padID: Int32?
  /// The id of a word to be filled in; nil when the vocabulary has none.
  package let maskID: Int32?

  let rules: WordScanner.Rules
  let prefix: [UInt8]
  let single: Frame
  let pair: Frame
  /// Nil where the scanner itself finds all added tokens.
  private let segments: TextSegments?
  /// Ids that decoding leaves out.
  private let specialIDs: Set<Int32>
  private let embeddingRows: Int
  private let actions: [UInt16]
  private let asciiWords: [Int32]

  /// Checks the settings against the vocabulary.
  ///
  /// The vocabulary may hold tokens beyond `embeddingRows`: a text that has one is refused.
  /// Throws `malformed` when the vocabulary lacks the tokens that frame every input, and `unsupported`
  /// when a setting is out of its limits.
  package init(
    vocabulary: VocabularyTable, settings: TokenizerSettings = TokenizerSettings(),
    embeddingRows: Int = .max
  ) throws(BertError) {
    guard case .wordPiece(let words) = settings.kind else {
      throw BertError(
        .unsupported, "the tokenizer is \(settings.kind.name); only WordPiece is computed")
    }
    guard 1...1024 ~= words.maximumWordLength else {
      throw BertError(
        .unsupported, "a maximum word length of \(words.maximumWordLength), expected 1 to 1024")
    }
    let prefix = Array(words.continuationPrefix.utf8)
    guard prefix.count <= 64 else {
      throw BertError(
        .unsupported, "a continuation prefix of \(prefix.count) bytes, expected at most 64")
    }
    self.vocabulary = vocabulary
    self.settings = settings
    self.embeddingRows = embeddingRows
    self.prefix = prefix
    let added = try Self.addedTokens(settings, vocabulary)
    // By bytes: strings are equal where Unicode thinks them equivalent.
    let addedIDs = Dictionary(
      added.map { (Array($0.text.utf8), Int32(truncatingIfNeeded: $0.id)) },
      uniquingKeysWith: { $1 })
    func id(_ token: String) -> Int32? { addedIDs[Array(token.utf8)] ?? vocabulary.id(of: token) }
    single = try Frame(settings.singleTemplate, vocabulary, id: id)
    pair = try Frame(settings.pairTemplate, vocabulary, id: id)
    unknownID = vocabulary.id(of: settings.unknownToken)
    padID = id(settings.padToken)
    maskID = id(settings.maskToken)
    specialIDs = Set(added.lazy.filter(\.isSpecial).map { Int32(truncatingIfNeeded: $0.id) })
    let isPlain = added.count <= Self.mostScanned && added.allSatisfy(\.isPlain)
    let specials = isPlain ? Self.specials(added) : []
    var rules = WordScanner.Rules(
      vocabulary: vocabulary.reader, specials: specials,
      prefixHash: VocabularyHash.extend(vocabulary.reader.seed, prefix),
      unknownID: unknownID ?? -1, maximumWordLength: words.maximumWordLength,
      lowercase: words.lowercase, stripAccents: words.stripsAccents,
      spaceChinese: words.spaceChinese, cleansText: words.cleansText)
    segments = isPlain ? nil : Self.segments(added, rules)
    if segments?.normalized.isEmpty == false {
      // What the scanner is given is normalised already.
      (rules.lowercase, rules.stripAccents, rules.spaceChinese) = (false, false, false)
    }
    self.rules = rules
    actions = ByteActions.table(
      lowercase: rules.lowercase, cleansText: rules.cleansText, specials: specials)
    let unknown = unknownID ?? -1
    asciiWords = (UInt8(0)..<0x80).map { vocabulary.id(of: [$0]) ?? unknown }
  }

  /// The most added tokens that the scanner itself compares at a byte that may begin one.
  private static let mostScanned = 16

  /// The tokens to be found in texts, said or not.
  private static func addedTokens(
    _ settings: TokenizerSettings, _ vocabulary: VocabularyTable
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

  /// Tokens that the scanner finds in the raw text, the longest first where several match.
  private static func specials(_ added: [AddedToken]) -> [SpecialToken] {
    let tokens = added.map {
      SpecialToken(bytes: Array($0.text.utf8), id: Int32(truncatingIfNeeded: $0.id))
    }
    return tokens.sorted { $0.bytes.count > $1.bytes.count }
  }

  private static func segments(_ added: [AddedToken], _ rules: WordScanner.Rules) -> TextSegments {
    func entry(_ token: AddedToken) -> AddedTokens.Entry {
      var bytes = Array(token.text.utf8)
      if token.isNormalized {
        var place = SourceSpan()
        bytes = bytes.withUnsafeBufferPointer {
          NormalizedText($0, from: &place, rules: rules).bytes
        }
      }
      return AddedTokens.Entry(
        bytes: bytes, id: Int32(truncatingIfNeeded: token.id),
        takesSpaceBefore: token.takesSpaceBefore, takesSpaceBehind: token.takesSpaceBehind,
        isSingleWord: token.isSingleWord)
    }
    return TextSegments(
      plain: AddedTokens(added.filter { !$0.isNormalized }.map(entry)),
      normalized: AddedTokens(added.filter(\.isNormalized).map(entry)), rules: rules)
  }

  /// Whether an id is that of a special token.
  func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

  /// Appends a text, or a pair, in its frame: `[CLS] text [SEP]`, `[CLS] text [SEP] pair [SEP]`, or what the
  /// settings say.
  ///
  /// Texts are UTF-8; bytes that are not count as U+FFFD, which BERT ignores. With a limit the texts are
  /// cut, at their ends unless the settings say otherwise, and the result says by how many tokens; without
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
      cut(lengths, to: left, frame, spans, &encoding)
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
    var isComplete = false
    withScanner(&encoding, spans: spans) { scanner in
      for step in frame.steps {
        let start = scanner.ids.count
        switch step.part {
        case .token(let id): scanner.add(id)
        case .firstText:
          scan(text, with: &scanner)
          lengths.first = scanner.ids.count - start
        case .secondText:
          if let second { scan(second, with: &scanner) }
          lengths.second = scanner.ids.count - start
        }
      }
      isComplete = !scanner.lacksUnknown
    }
    guard isComplete else {
      throw BertError(
        .malformed,
        "a word is not in the vocabulary, and neither is '\(settings.unknownToken)' to stand for it"
      )
    }
    return lengths
  }

  /// Scans one text.
  func scan(_ text: UnsafeBufferPointer<UInt8>, with scanner: inout WordScanner) {
    if let segments {
      segments.scan(text, with: &scanner)
    } else {
      scanner.scan(text)
    }
  }

  /// Removes what is over the limit from the input that ends the encoding.
  private func cut(
    _ lengths: Lengths, to left: Lengths, _ frame: Frame, _ spans: Bool,
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
        length - kept, leaving: behind + (settings.cutsLeft ? kept : 0), spans: spans)
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

  /// Lends a scanner the tables, the encoding's arrays and scratch memory: nothing is allocated per text.
  func withScanner(
    _ encoding: inout TokenizedText, spans: Bool, words: Bool = false,
    _ body: (inout WordScanner) -> Void
  ) {
    let bytes = 4 * rules.maximumWordLength
    var rules = rules
    rules.tracksSpans = spans
    rules.collectsWords = words
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: bytes + bytes / 4) { scratch in
      actions.withUnsafeBufferPointer { actions in
        asciiWords.withUnsafeBufferPointer { asciiWords in
          prefix.withUnsafeBufferPointer { prefix in
            guard let hashes = scratch.baseAddress else { return }
            let word = UnsafeMutableRawPointer(hashes + bytes).assumingMemoryBound(to: UInt8.self)
            var scanner = WordScanner(
              rules: rules, actions: actions, asciiWords: asciiWords, prefix: prefix, word: word,
              hashes: hashes, ids: [], spans: [], hash: rules.vocabulary.seed)
            swap(&scanner.ids, &encoding.ids)
            swap(&scanner.spans, &encoding.spans)
            body(&scanner)
            swap(&scanner.ids, &encoding.ids)
            swap(&scanner.spans, &encoding.spans)
          }
        }
      }
    }
  }
}

extension AddedToken {
  /// Whether it is found wherever it stands in the raw text, and takes nothing with it.
  fileprivate var isPlain: Bool {
    !takesSpaceBefore && !takesSpaceBehind && !isSingleWord && !isNormalized
  }
}
