import BertErrors

/// The tokens of a vocabulary by id and by text, whichever table they lie in.
package struct TokenNames: Sendable {
  private enum Table: Sendable {
    case vocabulary(VocabularyTable)
    case pieces(PieceTable)
  }

  private let table: Table

  init(_ vocabulary: VocabularyTable) { table = .vocabulary(vocabulary) }
  init(_ pieces: PieceTable) { table = .pieces(pieces) }

  /// How many tokens there are; ids are below.
  package var count: Int {
    switch table {
    case .vocabulary(let table): table.count
    case .pieces(let table): table.count
    }
  }

  /// The bytes of a token, or nil when there is no such id or the table is damaged there.
  package func token(_ id: Int) -> [UInt8]? {
    switch table {
    case .vocabulary(let table): table.token(id)
    case .pieces(let table): table.token(id)
    }
  }

  /// The id of a word or piece, the last of equal ones; nil when it is none.
  package func id(of token: [UInt8]) -> Int32? {
    switch table {
    case .vocabulary(let table): table.id(of: token)
    case .pieces(let table): table.id(of: token)
    }
  }

  /// The id of a word or piece, the last of equal ones; nil when it is none.
  package func id(of token: String) -> Int32? { id(of: Array(token.utf8)) }
}
