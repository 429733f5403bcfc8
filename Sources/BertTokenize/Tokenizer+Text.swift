import BertErrors

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
    var encoding = TokenizedText()
    var words: [String] = []
    var text = text
    text.withUTF8 { text in
      withScanner(&encoding, spans: false, words: true) { scanner in
        scan(text, with: &scanner)
        words = scanner.words.map { String(decoding: $0, as: UTF8.self) }
      }
    }
    return words
  }

  /// The text that ids stand for: pieces joined to words, words to a text.
  ///
  /// Ids that are not in the vocabulary are passed over. Cleaning up takes away the space before marks
  /// like full stops and before the endings of contractions, where they are whole tokens.
  package func decode(
    _ ids: some Sequence<Int32>, skippingSpecials: Bool = true, cleaningUp: Bool = true
  ) -> String {
    var text: [UInt8] = []
    var isFirst = true
    for id in ids {
      guard let token = vocabulary.token(Int(id)), !(skippingSpecials && isSpecial(id)) else {
        continue
      }
      var piece = token
      if !isFirst {
        let continues = token.starts(with: prefix)
        piece = continues ? Array(token.dropFirst(prefix.count)) : [0x20] + token
      }
      isFirst = false
      text += cleaningUp ? Self.cleanedUp(piece) : piece
    }
    return String(decoding: text, as: UTF8.self)
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
