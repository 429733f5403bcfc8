import BertErrors
import BertModel

extension Tokenizer {
  /// Encodes one text, or a pair, from strings; see the method on bytes.
  package func encode(
    _ text: String, pair: String? = nil, limit: TokenLimit? = nil, addsSpecials: Bool = true,
    spans: Bool = false
  ) throws(BertError) -> TokenizedText {
    var encoding = TokenizedText()
    var text = text
    let outcome: Result<EncodedInput, BertError> = text.withUTF8 { text in
      guard var pair else {
        return Result { () throws(BertError) in
          try encode(
            text, limit: limit, addsSpecials: addsSpecials, spans: spans,
            appendingTo: &encoding)
        }
      }
      return pair.withUTF8 { pair in
        Result { () throws(BertError) in
          try encode(
            text, pair: pair, limit: limit, addsSpecials: addsSpecials, spans: spans,
            appendingTo: &encoding)
        }
      }
    }
    _ = try outcome.get()
    return encoding
  }

  /// The words of a text after normalising and splitting, special tokens included: what an unknown
  /// token hides.
  ///
  /// A word longer than the maximum length is cut to it.
  package func words(_ text: String) -> [String] {
    var words: [String] = []
    var text = text
    text.withUTF8 { text in
      switch engine {
      case .wordPiece(let pieces):
        var encoding = TokenizedText()
        pieces.withScanner(&encoding, spans: false, words: true) { scanner in
          pieces.scan(text, with: &scanner)
          words = scanner.words.map { String(decoding: $0, as: UTF8.self) }
        }
      case .text(let tokenizer):
        var run = TextRun(tracksSpans: false, collectsWords: true)
        tokenizer.scan(text, &run)
        words = run.words.map { String(decoding: $0, as: UTF8.self) }
      }
    }
    return words
  }

  /// The text that ids stand for: pieces joined to words, words to a text.
  ///
  /// Ids that are not in the vocabulary are passed over. Cleaning up takes away the space before marks
  /// like full stops and before the endings of contractions, where they are whole tokens of WordPiece.
  package func decode(
    _ ids: some Sequence<Int32>, skippingSpecials: Bool = true, cleaningUp: Bool = true
  ) -> String {
    let tokens = ids.lazy.filter { !(skippingSpecials && self.isSpecial($0)) }
      .compactMap { self.vocabulary.token(Int($0)) }
    switch (engine, settings.kind) {
    case (.wordPiece(let pieces), _):
      return Self.decode(tokens, prefix: pieces.prefix, cleaningUp: cleaningUp)
    case (.text, .bytePairs): return Self.decodeBytes(tokens)
    case (.text, _): return decodeMetaspace(tokens)
    }
  }

  private static func decode(
    _ tokens: some Sequence<[UInt8]>, prefix: [UInt8], cleaningUp: Bool
  ) -> String {
    var text: [UInt8] = []
    var isFirst = true
    for token in tokens {
      var piece = token
      if !isFirst {
        let continues = token.starts(with: prefix)
        piece = continues ? Array(token.dropFirst(prefix.count)) : [0x20] + token
      }
      isFirst = false
      text += cleaningUp ? cleanedUp(piece) : piece
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Bytes of which not all are a token's characters are the token's own.
  private static func decodeBytes(_ tokens: some Sequence<[UInt8]>) -> String {
    var text: [UInt8] = []
    for token in tokens { text += ByteAlphabet.bytes(of: token) ?? token }
    return String(decoding: text, as: UTF8.self)
  }

  /// U+2581 is a space, and nothing in the first token where a text begins with one that was added.
  private func decodeMetaspace(_ tokens: some Sequence<[UInt8]>) -> String {
    var prefixes = false
    if case .unigram(let rules) = settings.kind,
      case .metaspace(let first, let always, _)? = rules.splitting.last
    {
      prefixes = first || always
    }
    var text = String.UnicodeScalarView()
    for (index, token) in tokens.enumerated() {
      for scalar in String(decoding: token, as: UTF8.self).unicodeScalars {
        if scalar != "\u{2581}" {
          text.append(scalar)
        } else if index > 0 || !prefixes {
          text.append(" ")
        }
      }
    }
    return String(text)
  }

  /// The replacements of the reference, in its order, in one piece at a time.
  private static let replacements: [(find: [UInt8], put: [UInt8])] = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
    (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
  ].map { (Array($0.0.utf8), Array($0.1.utf8)) }

  private static func cleanedUp(_ piece: [UInt8]) -> [UInt8] {
    guard piece.contains(0x20) else { return piece }
    var piece = piece
    for (find, put) in replacements {
      var at = 0
      while at + find.count <= piece.count {
        if piece[at...].starts(with: find) {
          piece.replaceSubrange(at..<at + find.count, with: put)
          at += put.count
        } else {
          at += 1
        }
      }
    }
    return piece
  }
}
