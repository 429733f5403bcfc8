import BertErrors
import BertModel

/// A tokenizer's tables as they lie in a file.
package struct TokenizerTables: @unchecked Sendable {
  // Sendable because the memory is never written while it is in use.
  private let tables: [String: UnsafeRawBufferPointer]
  private let owner: (any AnyObject & Sendable)?

  /// The names of the tables that settings need.
  package static func names(_ settings: TokenizerSettings) -> [String] {
    switch settings.kind {
    case .wordPiece: [CanonicalName.vocabulary]
    case .bytePairs(let rules):
      [CanonicalName.vocabulary, CanonicalName.merges] + normalizer(rules)
    case .unigram(let rules): [CanonicalName.pieces] + normalizer(rules)
    }
  }

  private static func normalizer(_ rules: TextRules) -> [String] {
    rules.normalization.contains(.precompiled) ? [CanonicalName.normalizer] : []
  }

  /// Tables that stay unchanged for as long as the owner lives.
  package init(
    _ tables: [String: UnsafeRawBufferPointer], owner: (any AnyObject & Sendable)?
  ) {
    self.tables = tables
    self.owner = owner
  }

  /// Tables in memory, of which it keeps copies.
  package init(copying tables: [(name: String, bytes: [UInt8])]) {
    let copies = TableCopies(tables.map(\.bytes))
    self.init(
      Dictionary(
        zip(tables.map(\.name), copies.tables.map { $0.bytes }), uniquingKeysWith: { $1 }),
      owner: copies)
  }

  private func bytes(_ name: String) throws(BertError) -> UnsafeRawBufferPointer {
    guard let bytes = tables[name] else {
      throw BertError(.malformed, "is missing; the tokenizer needs it", tensor: name)
    }
    return bytes
  }

  func vocabulary() throws(BertError) -> VocabularyTable {
    try VocabularyTable(bytes: bytes(CanonicalName.vocabulary), owner: owner)
  }

  func pieces() throws(BertError) -> PieceTable {
    try PieceTable(bytes: bytes(CanonicalName.pieces), owner: owner)
  }

  func merges() throws(BertError) -> MergeTable {
    try MergeTable(bytes: bytes(CanonicalName.merges), owner: owner)
  }

  /// The precompiled normalisation; nil where no step needs it.
  var charsmap: UnsafeRawBufferPointer? { tables[CanonicalName.normalizer] }
  var keeper: (any AnyObject & Sendable)? { owner }
}

/// Copies of tables that live as long as this.
private final class TableCopies: Sendable {
  let tables: [OwnedBytes]

  init(_ tables: [[UInt8]]) { self.tables = tables.map { OwnedBytes($0) } }
}

extension TokenizerVocabulary {
  /// The tables that a file holds of it.
  ///
  /// - Throws: `unsupported` for what is too large or chosen to collide, `malformed` for what contradicts itself.
  package func tables(
    _ settings: TokenizerSettings
  ) throws(BertError) -> [(name: String, bytes: [UInt8])] {
    if tokens.isEmpty { return [] }
    var tables: [(name: String, bytes: [UInt8])] = []
    switch settings.kind {
    case .wordPiece:
      tables.append(
        (CanonicalName.vocabulary, try VocabularyTable.build(tokens, unlisted: addedIDs)))
    case .bytePairs:
      let merges = try MergeTable.build(self.merges, byteTokens: byteTokens)
      let words = try Self.words(tokens, addedIDs, merges)
      tables.append(
        (
          CanonicalName.vocabulary,
          try VocabularyTable.build(tokens, unlisted: Set(tokens.indices).subtracting(words))
        ))
      tables.append((CanonicalName.merges, merges))
    case .unigram:
      tables.append(
        (
          CanonicalName.pieces,
          try PieceTable.build(tokens, scores: scores, unlisted: addedIDs, unknownID: unknownID)
        ))
    }
    if TokenizerTables.names(settings).contains(CanonicalName.normalizer) {
      tables.append((CanonicalName.normalizer, charsmap))
    }
    return tables
  }

  /// The tokens that are found as whole words: the merges of their own bytes lead to them.
  private static func words(
    _ tokens: [[UInt8]], _ added: Set<Int>, _ merges: [UInt8]
  ) throws(BertError) -> Set<Int> {
    let table = OwnedBytes(merges)
    let reader = try MergeTable(bytes: table.bytes, owner: table).reader
    return withExtendedLifetime(table) {
      Set(
        tokens.indices.filter {
          !added.contains($0) && BytePairModel.makes(tokens[$0], id: $0, reader)
        })
    }
  }
}
