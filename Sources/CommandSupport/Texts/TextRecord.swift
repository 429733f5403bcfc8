import BertErrors
import Bertq

extension InputRecord {
  /// The text, pair or token ids of a record of `RecordMembers.text`.
  ///
  /// - Throws: `malformed` for members that contradict each other or are of the wrong kind.
  package func textInput() throws(BertError) -> TextInput {
    if let plainText { return TextInput(utf8: plainText) }
    let text = try text("text")
    let ids = try integers("ids", Int32.self)
    let pair = try self.text("pair")
    guard (text == nil) != (ids == nil) else {
      throw BertError(.malformed, "needs exactly one of \"text\" and \"ids\"; it has both")
    }
    var input: TextInput
    if let text {
      for name in ["types", "attention_mask"] where self[name] != nil {
        throw BertError(
          .malformed, "\"\(name)\" goes with \"ids\"; a \"text\" is made tokens here, without pads")
      }
      input = TextInput(utf8: text, pair: pair)
      input.prompt = try prompt()
    } else {
      if pair != nil {
        throw BertError(
          .malformed,
          "\"pair\" goes with \"text\"; \"ids\" hold both texts, told apart by \"types\"")
      }
      if try prompt() != nil {
        throw BertError(.malformed, "a prompt goes with \"text\"; \"ids\" hold its tokens")
      }
      input = try unpadded(ids ?? [], types: integers("types", UInt8.self))
    }
    return input
  }

  /// What the record says of the words before its text: `prompt` is the words, `prompt_name` the name of those in
  /// the file; nil for nothing.
  ///
  /// - Throws: `malformed` for both.
  package func prompt() throws(BertError) -> TextPrompt? {
    let (text, name) = (try string("prompt"), try string("prompt_name"))
    if text != nil && name != nil {
      throw BertError(.malformed, "has both \"prompt\" and \"prompt_name\"")
    }
    return text.map { .text($0) } ?? name.map { .named($0) }
  }

  /// Whether this record is to be cut where it is too long; nil where it does not say.
  ///
  /// - Throws: `malformed` when it says neither true nor false.
  package func truncates() throws(BertError) -> Bool? { try flag("truncate") }

  /// Token ids without those that the mask hides: nothing is computed for pads here.
  private func unpadded(_ ids: [Int32], types: [UInt8]?) throws(BertError) -> TextInput {
    guard let mask = try integers("attention_mask", UInt8.self) else {
      return TextInput(ids: ids, types: types)
    }
    guard mask.count == ids.count, mask.allSatisfy({ $0 <= 1 }) else {
      throw BertError(
        .malformed,
        "\"attention_mask\" has \(mask.count) numbers for \(ids.count) ids; expected a 0 or 1 for each"
      )
    }
    if let types, types.count != ids.count {
      throw BertError(.malformed, "\(ids.count) ids came with \(types.count) types")
    }
    let kept = ids.indices.filter { mask[$0] == 1 }
    // Positions count from the first token that is left; elsewhere pads in the middle keep theirs.
    if let first = kept.first, let last = kept.last, last - first + 1 != kept.count {
      throw BertError(
        .malformed,
        "\"attention_mask\" hides ids between others; only pads at the ends can be left out")
    }
    if let first = kept.first, first > 0 {
      throw BertError(
        .malformed,
        "\"attention_mask\" hides ids before the others, where positions depend on the library; give the "
          + "ids without pads")
    }
    return TextInput(
      ids: kept.map { ids[$0] }, types: types.map { types in kept.map { types[$0] } })
  }
}
