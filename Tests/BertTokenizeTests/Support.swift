import BertErrors
import BertModel
import BertTokenize
import Fixtures
import FoundationEssentials
import JSONText

/// A vocabulary small enough to check by eye; ids are positions.
let smallVocabulary = [
  "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing", "##ed", "the", ",", ".", "cafe",
  "##s", "a", "##b", "你", "好", "Play", "don", "'", "t", "##café", "café", "[",
]

func makeTokenizer(
  _ tokens: [String] = smallVocabulary, _ change: (inout TokenizerSettings) -> Void = { _ in }
) throws -> Tokenizer {
  try makeTokenizer(bytes: tokens.map { Array($0.utf8) }, change)
}

func makeTokenizer(
  bytes: [[UInt8]], _ change: (inout TokenizerSettings) -> Void = { _ in }
) throws -> Tokenizer {
  var settings = TokenizerSettings()
  change(&settings)
  let table = try VocabularyTable(copying: try VocabularyTable.build(bytes))
  return try Tokenizer(vocabulary: table, settings: settings)
}

/// The vocabulary of all-MiniLM-L6-v2, which is bert-base-uncased's.
///
/// `PublishedCheckpoint` says where the checkpoint is.
enum MiniLM {
  static let vocabulary: [[UInt8]]? = {
    guard let folder = PublishedCheckpoint.miniLM,
      let data = try? Data(contentsOf: URL(filePath: folder + "/vocab.txt"))
    else { return nil }
    return VocabularyTable.tokens(ofText: Array(data))
  }()

  /// Whether tests that need the vocabulary and this part of the shared data can run.
  static func isPresent(with part: String) -> Bool {
    PublishedCheckpoint.hasMiniLM() && SharedData.isPresent(part)
  }

  static func tokenizer(
    _ change: (inout TokenizerSettings) -> Void = { _ in }
  ) throws -> Tokenizer {
    try makeTokenizer(bytes: vocabulary ?? [], change)
  }
}

/// The values of a file of JSON lines.
func jsonLines(_ part: String) throws -> [JSON] {
  try SharedData.bytes(part).split(separator: 0x0A).map { try JSON.parse(Array($0)) }
}

extension JSON {
  var integers: [Int] { arrayValue?.compactMap(\.integerValue) ?? [] }
  var strings: [String] { arrayValue?.compactMap(\.stringValue) ?? [] }
  var members: [(key: String, value: JSON)] {
    objectValue.map { object in object.map { ($0.key, $0.value) } } ?? []
  }
  func string(_ key: String) -> String { self[key]?.stringValue ?? "" }
  func integers(_ key: String) -> [Int] { self[key]?.integers ?? [] }
}

extension TokenizedText {
  var integerIDs: [Int] { ids.map(Int.init) }
  var integerTypes: [Int] { typeIDs.map(Int.init) }
}
