import BertErrors
import BertModel
import JSONText

/// A token as a publisher's file writes it: a string, or an object with flags.
struct PublishedToken: Equatable {
  let text: String
  /// The id that the file gives it; nil where it gives none.
  var id: Int?
  var isSingleWord = false
  var takesSpaceBefore = false
  var takesSpaceBehind = false
  var isNormalized = false
  var isSpecial = true

  /// The bytes decide which tokens are the same.
  var key: [UInt8] { Array(text.utf8) }

  init(_ text: String, id: Int? = nil) {
    self.text = text
    self.id = id
  }

  /// Reads a token.
  ///
  /// - Parameter isSpecial: what it is where the file does not say.
  /// - Throws: `malformed`; `unsupported` for members that are not known.
  init(_ json: JSON, id: Int? = nil, isSpecial: Bool = false) throws(BertError) {
    if let text = json.stringValue {
      self.init(text, id: id)
      return
    }
    guard let object = json.objectValue, let text = json["content"]?.stringValue else {
      throw BertError(
        .malformed,
        "an added token is \(json.text().prefix(80)); expected a string or an object with a content"
      )
    }
    self.init(text, id: id ?? json["id"]?.integerValue)
    self.isSpecial = try json.flag("special") ?? isSpecial
    isSingleWord = try json.flag("single_word") ?? false
    takesSpaceBefore = try json.flag("lstrip") ?? false
    takesSpaceBehind = try json.flag("rstrip") ?? false
    isNormalized = try json.flag("normalized") ?? !self.isSpecial
    let known = [
      "__type", "id", "content", "special", "single_word", "lstrip", "rstrip", "normalized",
    ]
    let unread = object.keys.filter { !known.contains($0) }
    if !unread.isEmpty {
      throw BertError(
        .unsupported,
        "the added token '\(text.prefix(80))' has members that are not known: " + unread.listed)
    }
  }

  /// The token as the tokenizer takes it.
  func added(id: Int) -> AddedToken {
    var token = AddedToken(text, id: id)
    token.isSingleWord = isSingleWord
    token.takesSpaceBefore = takesSpaceBefore
    token.takesSpaceBehind = takesSpaceBehind
    token.isNormalized = isNormalized
    token.isSpecial = isSpecial
    return token
  }
}

/// Tokens added to a model's vocabulary, as the published library adds them: one after the other.
struct AddedVocabulary {
  /// By id, in the order in which they came; of one text the last flags count.
  private(set) var tokens: [AddedToken] = []
  /// Ids of tokens that the model does not have.
  private(set) var newIDs: Set<Int> = []

  private let model: [[UInt8]: Int]
  private var places: [[UInt8]: Int] = [:]
  private var nextID: Int

  /// Nothing added to a model of these tokens.
  init(model: [[UInt8]: Int]) {
    self.model = model
    nextID = model.count
  }

  /// The id of a token, added or the model's.
  func id(of text: String) -> Int? {
    let key = Array(text.utf8)
    return places[key].map { tokens[$0].id } ?? model[key]
  }

  /// Adds a token, or gives one that is there new flags.
  ///
  /// - Throws: `unsupported` where the file gives it another id than the library would.
  mutating func add(_ token: PublishedToken) throws(BertError) {
    if token.text.isEmpty { return }
    let known = places[token.key].map { tokens[$0].id } ?? model[token.key]
    let id = known ?? nextID
    if let said = token.id, said != id {
      throw BertError(
        .unsupported,
        "the added token '\(token.text.prefix(80))' has the id \(said); the library that publishes it "
          + "would give it \(id)")
    }
    if let place = places[token.key] {
      tokens[place] = token.added(id: id)
    } else {
      places[token.key] = tokens.count
      tokens.append(token.added(id: id))
    }
    if known == nil { newIDs.insert(id) }
    nextID = max(nextID, id + 1)
  }
}
