import BertErrors
import BertImport
import BertModel
import BertTokenize
import Fixtures
import FoundationEssentials
import JSONText
import Testing

/// Real vocabularies of byte pairs and Unigram, and what `tokenizers` answers for tens of thousands of texts: made by
/// `tools/make/piece-oracle`.
@Suite(
  .enabled(
    if: PieceOracle.folder != nil,
    "no folder of models and answers: run tools/make/piece-oracle, or name one in BERTQ_PIECE_ORACLE"
  ))
struct PieceReferenceTests {
  @Test(arguments: [
    "unigram", "unigram-words", "unigram-folded", "unigram-albert", "byte-pairs",
    "byte-pairs-prefixed", "byte-pairs-composed", "byte-pairs-nfc", "bytes-nfc", "bytes-nfd",
    "bytes-nfkc", "bytes-nfkd",
    "bytes-lowercase", "bytes-stripaccents", "bytes-nfd-stripaccents-lowercase-nfkc",
  ])
  func everyTextHasTheLibrarysIdsSpansWordsAndDecoding(_ name: String) throws {
    let folder = try #require(PieceOracle.folder) + "/" + name
    let model = try ModelImport.read(input: folder)
    let settings = try #require(model.description.tokenizer)
    let tables = TokenizerTables(copying: try model.tokenizer.tables(settings))
    let tokenizer = try Tokenizer(tables: tables, settings: settings)
    let lines = try Data(contentsOf: URL(filePath: folder + "/oracle.jsonl"))
    var (compared, decoded) = (0, 0)
    for bytes in lines.split(separator: 0x0A) {
      let line = try JSON.parse(Array(bytes))
      let text = line["text"]?.stringValue ?? ""
      let pair = line["pair"]?.stringValue
      let limit = line["limit"]?.integerValue.map { TokenLimit($0) }
      let ids = line["ids"]?.integers ?? []
      let made = try tokenizer.encode(text, pair: pair, limit: limit, spans: true)
      let plain = try tokenizer.encode(text, pair: pair, limit: limit)
      #expect(made.ids.map(Int.init) == ids && plain.ids == made.ids, "\(text.debugDescription)")
      let types = line["types"]?.integers ?? []
      #expect(made.typeIDs.map(Int.init) == types, "\(text.debugDescription)")
      let spans = (line["spans"]?.arrayValue ?? []).map(\.integers)
      #expect(
        made.spans.map { [Int($0.start), Int($0.end)] } == spans, "\(text.debugDescription)")
      let words = (line["words"]?.arrayValue ?? []).map { $0.integerValue ?? -1 }
      #expect(made.spans.map { Int($0.word) } == words, "\(text.debugDescription)")
      if let expected = line["decoded"]?.stringValue {
        #expect(tokenizer.decode(made.ids).utf8.elementsEqual(expected.utf8))
        decoded += 1
      }
      compared += 1
    }
    #expect(compared > 5_000 && decoded > 500)
  }
}

/// Where the models are.
private enum PieceOracle {
  static let folder: String? = {
    let values = ProcessInfo.processInfo.environment
    let cache = values["BERTQ_CACHE"] ?? (values["HOME"] ?? "") + "/.cache/bertq"
    let path = values["BERTQ_PIECE_ORACLE"] ?? cache + "/piece-oracle"
    return FileManager.default.fileExists(atPath: path + "/bytes-nfc/oracle.jsonl") ? path : nil
  }()
}
