import BertErrors
import BertModel
import BertTokenize
import Fixtures
import JSONText
import Testing

/// Agreement with Hugging Face's fast tokenizer, line by line.
@Suite(
  .enabled(
    if: MiniLM.isPresent(with: "oracle"), "needs all-MiniLM-L6-v2 and the shared data"))
struct ReferenceTests {
  static let texts = ["wordpiece_uncased", "wordpiece_uncased_research"].filter {
    SharedData.isPresent("oracle/\($0).jsonl")
  }

  @Test(arguments: texts)
  func idsAndTypesAreThoseOfTheReference(_ name: String) throws {
    let tokenizer = try MiniLM.tokenizer()
    var wrong: [Int] = []
    let lines = try jsonLines("oracle/\(name).jsonl")
    for line in lines {
      let pair = line["pair"]?.stringValue
      let encoding = try tokenizer.encode(line.string("text"), pair: pair)
      let types = line["type_ids"]?.integers ?? encoding.ids.map { _ in 0 }
      if encoding.integerIDs != line.integers("ids") || encoding.integerTypes != types {
        wrong.append(line["i"]?.integerValue ?? -1)
      }
    }
    #expect(wrong.isEmpty)
    print("\(name): \(lines.count) lines")
  }

  static let variants: [(String, @Sendable (inout TokenizerSettings) -> Void)] = [
    ("uncased", { _ in }),
    ("cased", { $0.wordPiece?.lowercase = false }),
    ("uncased_keep_accents", { $0.wordPiece?.stripAccents = false }),
    (
      "cased_strip_accents",
      {
        $0.wordPiece?.lowercase = false
        $0.wordPiece?.stripAccents = true
      }
    ),
    ("uncased_no_chinese", { $0.wordPiece?.spaceChinese = false }),
  ]

  @Test(arguments: variants.indices)
  func everyVariantIsThatOfTheReference(_ index: Int) throws {
    let (name, change) = Self.variants[index]
    let tokenizer = try MiniLM.tokenizer(change)
    // The words are those of the normaliser and the splitter alone, which know of no special tokens.
    let splitter = try makeTokenizer(["no such class", "no such separator"]) {
      change(&$0)
      $0.classToken = "no such class"
      $0.separatorToken = "no such separator"
      $0.wordPiece?.maximumWordLength = 1024
    }
    var wrong: [Int] = []
    for line in try jsonLines("oracle/variant_\(name).jsonl") {
      let text = line.string("text")
      if try tokenizer.encode(text).integerIDs != line.integers("ids")
        || splitter.words(text).map({ Array($0.unicodeScalars) })
          != line["words"]?.strings.map({ Array($0.unicodeScalars) })
      {
        wrong.append(line["i"]?.integerValue ?? -1)
      }
    }
    #expect(wrong.isEmpty)
  }

  @Test func spansAndWordsAreThoseOfTheReference() throws {
    let tokenizer = try MiniLM.tokenizer()
    var wrong: [Int] = []
    for line in try jsonLines("oracle/offsets_uncased.jsonl") {
      let encoding = try tokenizer.encode(line.string("text"), spans: true)
      let offsets = line["offsets"]?.arrayValue?.map(\.integers)
      let words = line["word_ids"]?.arrayValue?.map { $0.integerValue ?? -1 }
      if encoding.integerIDs != line.integers("ids")
        || encoding.spans.map({ [Int($0.start), Int($0.end)] }) != offsets
        || encoding.spans.map({ Int($0.word) }) != words
      {
        wrong.append(line["i"]?.integerValue ?? -1)
      }
    }
    #expect(wrong.isEmpty)
  }

  static let strategies: [String: TruncationStrategy] = [
    "longest_first": .longestFirst, "only_first": .onlyFirst, "only_second": .onlySecond,
  ]

  /// Windows with a stride are not ours; what the first window keeps is.
  @Test func truncationIsThatOfTheReference() throws {
    let tokenizer = try MiniLM.tokenizer()
    var compared = 0
    for line in try jsonLines("oracle/truncation_uncased.jsonl") {
      let pair = line["pair"]?.stringValue
      let tokens = try #require(line["max_length"]?.integerValue)
      let strategy = try #require(Self.strategies[line.string("strategy")])
      let limit = TokenLimit(tokens, strategy)
      if line.string("error").contains("stride") { continue }
      compared += 1
      // The reference wraps below zero here and cuts nothing.
      if line["error"] != nil || tokens < (pair == nil ? 2 : 3) {
        #expect(throws: BertError(.usage, "")) {
          try tokenizer.encode(line.string("text"), pair: pair, limit: limit)
        }
        continue
      }
      let encoding = try tokenizer.encode(line.string("text"), pair: pair, limit: limit)
      #expect(encoding.integerIDs == line.integers("ids"), "\(line.text(pretty: false))")
      #expect(encoding.integerTypes == line.integers("type_ids"))
    }
    print("truncation: \(compared) lines")
  }

  /// Nothing is ever padded here: what stands before the padding is what we give.
  @Test func paddedBatchesHoldOurTokens() throws {
    let tokenizer = try MiniLM.tokenizer()
    for line in try jsonLines("oracle/padding_uncased.jsonl") {
      let texts = line["texts"]?.strings ?? []
      let rows = line["ids"]?.arrayValue?.map(\.integers) ?? []
      let masks = line["attention_mask"]?.arrayValue?.map(\.integers) ?? []
      for (text, (row, mask)) in zip(texts, zip(rows, masks)) {
        let kept = zip(row, mask).filter { $0.1 == 1 }.map(\.0)
        #expect(try tokenizer.encode(text).integerIDs == kept)
      }
    }
  }

  @Test func decodingIsThatOfTheReference() throws {
    let tokenizer = try MiniLM.tokenizer()
    for line in try jsonLines("oracle/decode_uncased.jsonl") {
      let ids = line.integers("ids").map(Int32.init)
      #expect(tokenizer.decode(ids) == line.string("skip_special"))
      #expect(tokenizer.decode(ids, skippingSpecials: false) == line.string("keep_special"))
    }
  }
}
