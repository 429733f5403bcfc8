import BertErrors
import BertTokenize
import Testing

/// What the tokenizer does, shown on a vocabulary that lies in the tests.
struct TokenizerBasicsTests {
  static let texts: [(String, [String])] = [
    ("", []),
    ("the", ["the"]),
    ("playing, played.", ["play", "##ing", ",", "play", "##ed", "."]),
    ("PLAYING", ["play", "##ing"]),
    ("playx", ["[UNK]"]),
    ("Café CAFE\u{301}s", ["cafe", "cafe", "##s"]),
    ("the\u{0}the \u{FFFD}the", ["[UNK]", "the"]),
    ("你好", ["你", "好"]),
    ("a你b", ["a", "你", "[UNK]"]),
    ("don't", ["don", "'", "t"]),
    ("the[MASK]play", ["the", "[MASK]", "play"]),
    ("[mask] [", ["[", "[UNK]", "[UNK]", "["]),
    ("\u{3000}the\u{2028}a\tab", ["the", "a", "a", "##b"]),
  ]

  @Test(arguments: texts)
  func splitsIntoLongestPieces(_ text: String, _ expected: [String]) throws {
    let tokenizer = try makeTokenizer()
    let ids = try tokenizer.encode(text, addsSpecials: false).integerIDs
    #expect(ids.map { smallVocabulary[$0] } == expected)
  }

  @Test func framesOneTextAndPairs() throws {
    let tokenizer = try makeTokenizer()
    let single = try tokenizer.encode("the")
    #expect(single.ids == [2, 8, 3])
    #expect(single.typeIDs == [0, 0, 0])
    let pair = try tokenizer.encode("the", pair: "a.")
    #expect(pair.ids == [2, 8, 3, 13, 10, 3])
    #expect(pair.typeIDs == [0, 0, 0, 1, 1, 1])
  }

  @Test func appendsToWhatIsThere() throws {
    let tokenizer = try makeTokenizer()
    var encoding = TokenizedText()
    for text in ["the", "a"] {
      let count = try Array(text.utf8).withUnsafeBufferPointer {
        try tokenizer.encode($0, appendingTo: &encoding).count
      }
      #expect(count == 3)
    }
    #expect(encoding.ids == [2, 8, 3, 2, 13, 3])
    #expect(encoding.typeIDs.count == 6)
  }

  @Test func caseAndAccentsFollowTheSettings() throws {
    let cased = try makeTokenizer { $0.wordPiece?.lowercase = false }
    #expect(try cased.encode("Play play café", addsSpecials: false).ids == [17, 5, 22])
    let strips = try makeTokenizer {
      $0.wordPiece?.lowercase = false
      $0.wordPiece?.stripAccents = true
    }
    #expect(try strips.encode("Play café", addsSpecials: false).ids == [17, 11])
    let keeps = try makeTokenizer { $0.wordPiece?.stripAccents = false }
    #expect(try keeps.encode("CAFÉ", addsSpecials: false).ids == [22])
    let joined = try makeTokenizer { $0.wordPiece?.spaceChinese = false }
    #expect(try joined.encode("你好", addsSpecials: false).ids == [1])
  }

  @Test func longWordsAreUnknown() throws {
    let tokenizer = try makeTokenizer(smallVocabulary + ["##a"]) {
      $0.wordPiece?.maximumWordLength = 4
    }
    #expect(try tokenizer.encode("aaaa", addsSpecials: false).ids == [13, 24, 24, 24])
    #expect(try tokenizer.encode("aaaaa the", addsSpecials: false).ids == [1, 8])
    #expect(try tokenizer.encode("aaaaé the", addsSpecials: false).ids == [1, 8])
    #expect(try tokenizer.encode("aaaaa[MASK]", addsSpecials: false).ids == [1, 4])
  }

  @Test func spansPointIntoTheText() throws {
    let tokenizer = try makeTokenizer()
    let encoding = try tokenizer.encode("é CAFE\u{301}s[SEP].", spans: true)
    #expect(
      encoding.spans == [
        TokenSpan(start: 0, end: 0, word: -1), TokenSpan(start: 0, end: 1, word: 0),
        TokenSpan(start: 2, end: 6, word: 1), TokenSpan(start: 7, end: 8, word: 1),
        TokenSpan(start: 8, end: 13, word: 2), TokenSpan(start: 13, end: 14, word: 3),
        TokenSpan(start: 0, end: 0, word: -1),
      ])
  }

  @Test func truncationKeepsTheLastSeparatorAndReports() throws {
    let tokenizer = try makeTokenizer()
    var encoding = TokenizedText()
    let report = try Array("the the the".utf8).withUnsafeBufferPointer {
      try tokenizer.encode($0, limit: TokenLimit(4), appendingTo: &encoding)
    }
    #expect(encoding.ids == [2, 8, 8, 3])
    #expect(report.count == 4 && report.cutFromFirst == 1 && report.cutFromSecond == 0)
    #expect(report.fullCount == 5 && report.isTruncated)
    #expect(
      try tokenizer.encode("the the", pair: "a a a", limit: TokenLimit(7)).ids
        == [2, 8, 8, 3, 13, 13, 3])
  }

  @Test func failuresLeaveTheEncodingAlone() throws {
    let tokenizer = try makeTokenizer(["[CLS]", "[SEP]", "the"])
    var encoding = try tokenizer.encode("the", spans: true)
    let before = encoding
    for (text, limit) in [("unknown", nil), ("the", TokenLimit(1))] as [(String, TokenLimit?)] {
      #expect(throws: BertError.self) {
        try Array(text.utf8).withUnsafeBufferPointer {
          try tokenizer.encode($0, limit: limit, spans: true, appendingTo: &encoding)
        }
      }
      #expect(encoding == before)
    }
  }

  @Test func refusesVocabulariesWithoutFrameAndSettingsOutOfLimits() {
    #expect(throws: BertError(.malformed, "")) { try makeTokenizer(["[CLS]", "the"]) }
    #expect(throws: BertError(.malformed, "")) { try makeTokenizer([]) }
    for length in [0, -1, 1025, Int.max] {
      #expect(throws: BertError(.unsupported, "")) {
        try makeTokenizer { $0.wordPiece?.maximumWordLength = length }
      }
    }
  }

  @Test func decodesToText() throws {
    let tokenizer = try makeTokenizer()
    #expect(tokenizer.decode([2, 5, 6, 9, 8, 1, 10, 3]) == "playing, the.")
    #expect(tokenizer.decode([2, 8, 10, 3], skippingSpecials: false) == "[CLS] the. [SEP]")
    #expect(tokenizer.decode([8, 10, 99, -1], cleaningUp: false) == "the .")
  }
}
