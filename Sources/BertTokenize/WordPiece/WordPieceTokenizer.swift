import BertErrors
import BertModel

/// From a text to word pieces: what is made once for a tokenizer, and lent to a scanner for each text.
struct WordPieceTokenizer: Sendable {
  private let rules: WordScanner.Rules
  /// What a piece that continues a word starts with.
  let prefix: [UInt8]
  /// Nil where the scanner itself finds all added tokens.
  private let segments: TextSegments?
  private let actions: [UInt16]
  private let asciiWords: [Int32]

  /// - Throws: `unsupported` when a rule is out of its limits.
  init(
    _ words: WordPieceRules, _ vocabulary: VocabularyTable, added: [AddedToken], unknownID: Int32?
  ) throws(BertError) {
    guard 1...1024 ~= words.maximumWordLength else {
      throw BertError(
        .unsupported, "a maximum word length of \(words.maximumWordLength), expected 1 to 1024")
    }
    let prefix = Array(words.continuationPrefix.utf8)
    guard prefix.count <= 64 else {
      throw BertError(
        .unsupported, "a continuation prefix of \(prefix.count) bytes, expected at most 64")
    }
    self.prefix = prefix
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

  /// Scans one text.
  func scan(_ text: UnsafeBufferPointer<UInt8>, with scanner: inout WordScanner) {
    if let segments {
      segments.scan(text, with: &scanner)
    } else {
      scanner.scan(text)
    }
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
