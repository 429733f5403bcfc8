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
  /// The id that starts every input.
  package let classID: Int32
  /// The id that ends every text.
  package let separatorID: Int32
  /// The id of words without pieces; nil when the vocabulary has none.
  package let unknownID: Int32?
  /// The id that fills batches elsewhere; nil when the vocabulary has none.
  package let padID: Int32?
  /// The id of a word to be filled in; nil when the vocabulary has none.
  package let maskID: Int32?

  let rules: WordScanner.Rules
  let prefix: [UInt8]
  private let actions: [UInt16]
  private let asciiWords: [Int32]

  /// Checks the settings against the vocabulary.
  ///
  /// Throws `malformed` when the vocabulary lacks the tokens that frame every input, and `unsupported`
  /// when a setting is out of its limits.
  package init(
    vocabulary: VocabularyTable, settings: TokenizerSettings = TokenizerSettings()
  ) throws(BertError) {
    guard case .wordPiece(let words) = settings.kind, settings.single.isEmpty,
      settings.pair.isEmpty, settings.addedTokens.isEmpty, !settings.cutsLeft
    else {
      throw BertError(
        .unsupported,
        "the tokenizer is \(settings.kind.name), or frames or cuts texts as BERT's does not; only "
          + "BERT's WordPiece is computed")
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
    self.prefix = prefix
    classID = try Self.required(settings.classToken, vocabulary)
    separatorID = try Self.required(settings.separatorToken, vocabulary)
    unknownID = vocabulary.id(of: settings.unknownToken)
    padID = vocabulary.id(of: settings.padToken)
    maskID = vocabulary.id(of: settings.maskToken)
    let specials = Self.specials(settings, vocabulary)
    rules = WordScanner.Rules(
      vocabulary: vocabulary.reader, specials: specials,
      prefixHash: VocabularyHash.extend(vocabulary.reader.seed, prefix),
      unknownID: unknownID ?? -1, maximumWordLength: words.maximumWordLength,
      lowercase: words.lowercase, stripAccents: words.stripsAccents,
      spaceChinese: words.spaceChinese)
    actions = ByteActions.table(lowercase: words.lowercase, specials: specials)
    let unknown = unknownID ?? -1
    asciiWords = (UInt8(0)..<0x80).map { vocabulary.id(of: [$0]) ?? unknown }
  }

  private static func required(
    _ token: String, _ vocabulary: VocabularyTable
  ) throws(BertError) -> Int32 {
    guard let id = vocabulary.id(of: token) else {
      throw BertError(
        .malformed,
        "the vocabulary of \(vocabulary.count) tokens has no '\(token)', which frames every input")
    }
    return id
  }

  /// Special tokens are found in the raw text, the longest first where several match.
  private static func specials(
    _ settings: TokenizerSettings, _ vocabulary: VocabularyTable
  ) -> [SpecialToken] {
    let texts = [
      settings.unknownToken, settings.separatorToken, settings.padToken, settings.classToken,
      settings.maskToken,
    ]
    let found = texts.compactMap { text in
      text.isEmpty
        ? nil : vocabulary.id(of: text).map { SpecialToken(bytes: Array(text.utf8), id: $0) }
    }
    return found.sorted { $0.bytes.count > $1.bytes.count }
  }

  /// Whether an id is that of a special token.
  func isSpecial(_ id: Int32) -> Bool { rules.specials.contains { $0.id == id } }

  /// Appends `[CLS] text [SEP]`, or `[CLS] text [SEP] pair [SEP]`, to an encoding.
  ///
  /// Texts are UTF-8; bytes that are not count as U+FFFD, which BERT ignores. With a limit the texts are
  /// cut at their ends, and the result says by how many tokens; without one nothing is ever cut. Spans are
  /// for tasks that point into the text and take more time. Without specials only the texts' own tokens
  /// are appended.
  /// Throws `usage` when the limit cannot be kept and `malformed` when a word is unknown and the vocabulary
  /// has no unknown token; nothing is appended then.
  @discardableResult
  package func encode(
    _ text: UnsafeBufferPointer<UInt8>, pair: UnsafeBufferPointer<UInt8>? = nil,
    limit: TokenLimit? = nil, addsSpecials: Bool = true, spans: Bool = false,
    appendingTo encoding: inout TokenizedText
  ) throws(BertError) -> EncodedInput {
    let before = (encoding.ids.count, encoding.spans.count)
    guard max(text.count, pair?.count ?? 0) <= Int(Int32.max) else {
      throw BertError(.unsupported, "a text of \(text.count) bytes, expected less than 2 GiB")
    }
    do throws(BertError) {
      let lengths = try appendTexts(text, pair, addsSpecials, spans, &encoding)
      let input = try cut(lengths, limit, addsSpecials, spans, &encoding)
      let second = pair == nil ? 0 : lengths.second - input.cutFromSecond + (addsSpecials ? 1 : 0)
      encoding.typeIDs.append(contentsOf: repeatElement(0, count: input.count - second))
      encoding.typeIDs.append(contentsOf: repeatElement(1, count: second))
      return input
    } catch {
      encoding.ids.removeLast(encoding.ids.count - before.0)
      encoding.spans.removeLast(encoding.spans.count - before.1)
      throw error
    }
  }

  /// Tokens of the two texts without specials; the second is 0 for a single text.
  private typealias Lengths = (first: Int, second: Int, isPair: Bool)

  private func appendTexts(
    _ text: UnsafeBufferPointer<UInt8>, _ pair: UnsafeBufferPointer<UInt8>?,
    _ addsSpecials: Bool, _ spans: Bool, _ encoding: inout TokenizedText
  ) throws(BertError) -> Lengths {
    var lengths: Lengths = (0, 0, pair != nil)
    var isComplete = false
    withScanner(&encoding, spans: spans) { scanner in
      if addsSpecials { scanner.add(classID) }
      let start = scanner.ids.count
      scanner.scan(text)
      lengths.first = scanner.ids.count - start
      if addsSpecials { scanner.add(separatorID) }
      if let pair {
        let middle = scanner.ids.count
        scanner.scan(pair)
        lengths.second = scanner.ids.count - middle
        if addsSpecials { scanner.add(separatorID) }
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

  /// Removes what is over the limit from the input that ends the encoding.
  private func cut(
    _ lengths: Lengths, _ limit: TokenLimit?, _ addsSpecials: Bool, _ spans: Bool,
    _ encoding: inout TokenizedText
  ) throws(BertError) -> EncodedInput {
    let frame = addsSpecials ? 1 : 0
    let specials = frame * (lengths.isPair ? 3 : 2)
    let full = lengths.first + lengths.second + specials
    guard let limit else { return EncodedInput(count: full, cutFromFirst: 0, cutFromSecond: 0) }
    let kept = try limit.kept(
      first: lengths.first, second: lengths.isPair ? lengths.second : nil, specials: specials)
    let cut = (first: lengths.first - kept.first, second: lengths.second - kept.second)
    // The separator at the end of each text stays.
    let secondEnd = lengths.isPair ? frame : 0
    let firstEnd = secondEnd + lengths.second + frame
    encoding.removeTokens(cut.second, leaving: secondEnd, spans: spans)
    encoding.removeTokens(cut.first, leaving: firstEnd - cut.second, spans: spans)
    return EncodedInput(
      count: full - cut.first - cut.second, cutFromFirst: cut.first, cutFromSecond: cut.second)
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
