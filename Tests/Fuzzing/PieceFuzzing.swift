import BertErrors
import BertModel
import BertTokenize

/// Tables of tokenizers as a file may hold them, given some texts.
enum PieceFuzzing {
  private static let texts = [
    "", "a the quick\u{301} \u{bc}\u{307} brown fox's",
    "\r\n\u{600}\u{fb01} \u{2581}x\u{1F600}<s> a",
  ]

  static func run(_ target: FuzzTarget, _ bytes: [UInt8]) throws(BertError) {
    var settings = TokenizerSettings()
    (settings.classToken, settings.separatorToken) = ("<s>", "</s>")
    settings.addedTokens = [AddedToken("<s>", id: 0), AddedToken("</s>", id: 1)]
    var rules = TextRules()
    rules.splitting = [.metaspace(prefixesFirst: true, prefixesAlways: true, splits: true)]
    var tables: [(name: String, bytes: [UInt8])] = []
    switch target {
    case .merges:
      rules.splitting = [.byteLevel(prefixesFirst: false, splits: true)]
      settings.kind = .bytePairs(rules)
      let words = ["<s>", "</s>", "a", "th"].map { Array($0.utf8) }
      tables = [
        (CanonicalName.vocabulary, try VocabularyTable.build(words)), (CanonicalName.merges, bytes),
      ]
    case .charsmap:
      rules.normalization = [.precompiled, .collapseSpaces]
      settings.kind = .unigram(rules)
      let pieces = ["<s>", "</s>", "<unk>", "\u{2581}the", "a"].map { Array($0.utf8) }
      tables = [
        (
          CanonicalName.pieces,
          try PieceTable.build(pieces, scores: [0, 0, 0, -1, -2], unknownID: 2)
        ), (CanonicalName.normalizer, bytes),
      ]
    default:
      settings.kind = .unigram(rules)
      tables = [(CanonicalName.pieces, bytes)]
    }
    let tokenizer = try Tokenizer(tables: TokenizerTables(copying: tables), settings: settings)
    for text in texts {
      let made = try tokenizer.encode(text, spans: true)
      precondition(made.ids.count == made.spans.count)
      _ = tokenizer.decode(made.ids)
    }
  }
}
