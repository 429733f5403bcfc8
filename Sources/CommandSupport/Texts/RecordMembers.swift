import BertErrors
import JSONText

/// Which members of a record are understood: the one place that knows.
///
/// A task names those that it reads. What other tools call them is understood too. A member that would change an answer in another
/// tool and is not done here is refused. All others are passed over, and listed once.
package struct RecordMembers: Sendable {
  /// The names that the task reads.
  package let names: Set<String>

  /// A record has at least one of these.
  package let needed: [String]

  /// Members of a task's own, besides those that every task reads.
  ///
  /// - Parameter needed: a record has at least one of them.
  package init(needed: [String], others: [String] = []) {
    self.needed = needed
    names = Set(needed).union(others).union(Self.common)
  }

  /// A text and perhaps a second one, or token ids.
  package static let text = RecordMembers(
    needed: ["text", "ids"], others: ["pair", "types", "attention_mask"])

  /// Whether a text is what is needed, so that another member can be named as the text.
  var isText: Bool { needed.contains("text") }

  /// Whether a record has what it needs.
  func isGiven(in members: JSONObject) -> Bool { needed.contains { members[$0] != nil } }

  /// What every task reads.
  private static let common: Set<String> = ["prompt", "prompt_name", "truncate"]

  /// What other tools call members that are read here.
  private static let aliases = [
    "input_ids": "ids", "token_type_ids": "types", "segment_ids": "types",
    "input_mask": "attention_mask",
    "text_pair": "pair", "truncation": "truncate",
  ]

  /// What other tools do with an input and this one does not, and what to do instead.
  private static let refused = [
    "pair_ids": "\"ids\" hold both texts, told apart by \"types\"",
    "position_ids": "positions are counted from the first token",
    "inputs_embeds": "give \"text\" or \"ids\"", "head_mask": "all attention heads are used",
    "decoder_input_ids": "the model has no decoder",
    "is_split_into_words": "give the words in \"words\", to the task tag",
    "truncation_side": "the model file says which side is cut",
    "truncation_direction": "the model file says which side is cut",
    "max_length": "the model file says how long a text may be",
    "max_seq_length": "the model file says how long a text may be",
    "add_special_tokens": "special tokens are part of every \"text\"; give \"ids\" without them",
    "normalize": "the model file says whether a vector is scaled to length 1",
    "normalize_embeddings": "the model file says whether a vector is scaled to length 1",
    "dimensions": "it is one number for all texts: --dimensions",
    "truncate_dim": "it is one number for all texts: --dimensions",
    "instruction": "give it as \"prompt\"",
    "input_type": "give a \"prompt_name\" that the model file has",
  ]

  /// What is read under a name, by this task's name for it; nil for what is passed over.
  func canonical(_ name: String) -> String? {
    if names.contains(name) { return name }
    if let own = Self.aliases[name] { return own }
    return Self.refused[name] == nil ? nil : name
  }

  /// Refuses members that are known and not done, and two names for one thing.
  ///
  /// A member that is null says nothing.
  ///
  /// - Throws: `malformed`, with the reason.
  func check(_ members: JSONObject) throws(BertError) -> JSONObject {
    var checked = JSONObject()
    for (name, value) in members where !value.isNull {
      let canonical = canonical(name) ?? name
      if !names.contains(canonical) {
        let reason = Self.refused[name] ?? "the task reads \(list)"
        throw BertError(.malformed, "\"\(name)\" is not understood here: \(reason)")
      }
      if checked[canonical] != nil {
        throw BertError(.malformed, "has \"\(canonical)\" twice, once as \"\(name)\"")
      }
      checked[canonical] = value
    }
    return checked
  }

  private var list: String {
    names.subtracting(Self.common).sorted().map { "\"\($0)\"" }.joined(separator: ", ")
  }
}

/// What an input calls the members that every task reads, where it does not use this package's names.
package struct RecordFields: Sendable {
  /// The members that make the text, joined by a space.
  package var text: [String] = []
  /// The member with the second text.
  package var pair: String?
  /// The member with the caller's id.
  package var id: String?

  /// The package's own names.
  package init() {}

  /// Whether members make the text that are not called so.
  var namesText: Bool { !text.isEmpty }

  /// Whether a member is read because somebody named it.
  func names(_ name: String) -> Bool {
    text.contains(name) || name == pair || name == (id ?? "id")
  }
}
