import BertErrors
import BertModel
import BertTokenize
import Testing

/// Templates, and texts that lose their beginning; ids as tokenizers 0.23.3 gives them.
struct FrameTests {
  static let bare: [TemplatePiece] = [TemplatePiece(.firstText)]
  static let first = TemplatePiece(.firstText)
  static let class_ = TemplatePiece(.token("[CLS]"))
  static let end = TemplatePiece(.token("[SEP]"))

  @Test func aTemplateOfNoTokensAddsNone() throws {
    let tokenizer = try makeTokenizer {
      $0.single = [Self.first]
      $0.pair = [Self.first, TemplatePiece(.secondText, tokenType: 1)]
    }
    #expect(try tokenizer.encode("the play").ids == [8, 5])
    #expect(try tokenizer.encode("").ids == [])
    let pair = try tokenizer.encode("the play", pair: "a", limit: TokenLimit(2))
    #expect(pair.ids == [8, 13] && pair.typeIDs == [0, 1])
  }

  @Test func aTemplateIsFollowedInItsOrder() throws {
    let tokenizer = try makeTokenizer {
      $0.single = [Self.class_, Self.first]
      $0.pair = [
        Self.class_, TemplatePiece(.secondText, tokenType: 1),
        TemplatePiece(.token("[SEP]"), tokenType: 1),
        Self.first, Self.end,
      ]
    }
    #expect(try tokenizer.encode("the play").ids == [2, 8, 5])
    let pair = try tokenizer.encode("the play", pair: "a a a")
    #expect(pair.ids == [2, 13, 13, 13, 3, 8, 5, 3] && pair.typeIDs == [0, 1, 1, 1, 1, 0, 0, 0])
    let cut = try tokenizer.encode("the play", pair: "a a a", limit: TokenLimit(6), spans: true)
    #expect(cut.ids == [2, 13, 13, 3, 8, 3] && cut.typeIDs == [0, 1, 1, 1, 0, 0])
    #expect(cut.spans.count == cut.ids.count)
  }

  @Test func textsMayLoseTheirBeginning() throws {
    let tokenizer = try makeTokenizer { $0.cutsLeft = true }
    #expect(try tokenizer.encode("the a play", limit: TokenLimit(4)).ids == [2, 13, 5, 3])
    #expect(
      try tokenizer.encode("the play", pair: "a the play", limit: TokenLimit(6), spans: true).ids
        == [2, 5, 3, 8, 5, 3])
  }

  @Test func aTokenThatTheVocabularyLacksIsNamed() {
    let error = #expect(throws: BertError.self) {
      try makeTokenizer { $0.single = [TemplatePiece(.token("<s>")), Self.first] }
    }
    #expect(error?.code == .malformed && error?.message.contains("'<s>'") == true)
  }

  @Test func controlsStayWhereNothingCleans() throws {
    let tokenizer = try makeTokenizer {
      $0.wordPiece?.lowercase = false
      $0.wordPiece?.stripAccents = false
      $0.wordPiece?.spaceChinese = false
      $0.wordPiece?.cleansText = false
    }
    let text = "the\u{1} the\u{B}the\u{85}the \u{FFFD} a\u{AD} a\u{0}"
    #expect(try tokenizer.encode(text, addsSpecials: false).ids == [1, 8, 8, 8, 1, 1, 1])
    #expect(try tokenizer.encode("你好 THE", addsSpecials: false).ids == [1, 1])
  }
}
