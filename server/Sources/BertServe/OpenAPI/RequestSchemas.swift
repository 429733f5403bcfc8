import JSONText

/// What the bodies of requests look like, with an example that any model of the kind answers.
struct RequestSchemas {
  /// The most texts of a request.
  let most: Int
  /// Whether token ids are taken.
  let takesIDs: Bool

  /// A text, texts, or token ids where the server takes them.
  private var inputs: JSON {
    guard takesIDs else { return Schema.texts(most: most) }
    let ids = Schema.list(["type": "integer"], least: 1)
    return Schema.either(
      Schema.text, ids, Schema.list(Schema.either(Schema.text, ids), least: 1, most: most))
  }

  /// Members of text-embeddings-inference's requests.
  private let truncation: JSONObject = [
    "model": Schema.name, "truncate": Schema.flag,
    "truncation_direction": Schema.word("left", "right"),
  ]
  /// The same where a prompt may stand before the texts.
  private var prompted: JSONObject {
    var members = truncation
    members["prompt_name"] = Schema.name
    return members
  }

  var openAI: JSON {
    Schema.object(
      ["input"],
      [
        "input": inputs, "model": Schema.name, "encoding_format": Schema.word("float", "base64"),
        "dimensions": Schema.integer(least: 1), "truncate": Schema.flag,
        "prompt_name": Schema.name, "user": Schema.anything,
      ])
  }

  var embed: JSON {
    Schema.object(
      ["inputs"],
      [
        "inputs": inputs, "normalize": Schema.flag, "dimensions": Schema.integer(least: 1),
      ], and: prompted)
  }

  var similarity: JSON {
    let sentences = Schema.object(
      ["source_sentence", "sentences"],
      [
        "source_sentence": Schema.text,
        "sentences": Schema.list(Schema.text, least: 1, most: most - 1),
      ])
    return Schema.object(
      ["inputs"],
      ["inputs": sentences, "parameters": Schema.optional(Schema.object([], prompted))],
      and: prompted)
  }

  var tokenize: JSON {
    let texts = Schema.either(Schema.string, Schema.list(Schema.string, most: most))
    return Schema.object(
      ["inputs"],
      [
        "inputs": texts, "add_special_tokens": Schema.flag, "prompt_name": Schema.name,
        "model": Schema.name,
      ])
  }

  var decode: JSON {
    let ids = Schema.list(
      ["type": "integer", "minimum": -2_147_483_648, "maximum": 2_147_483_647], least: 1)
    return Schema.object(
      ["ids"],
      [
        "ids": Schema.either(ids, Schema.list(ids, least: 1, most: most)),
        "skip_special_tokens": Schema.flag, "model": Schema.name,
      ])
  }

  var ollama: JSON {
    let texts = Schema.either(
      Schema.string, Schema.list(Schema.string, most: most), ["type": "null"])
    return Schema.object(
      [],
      [
        "model": Schema.name, "input": texts, "truncate": Schema.flag,
        "dimensions": Schema.integer(least: 1), "options": Schema.anything,
        "keep_alive": Schema.anything,
      ])
  }

  var ollamaPrompt: JSON {
    Schema.object(
      [], ["model": Schema.name, "prompt": Schema.name, "options": Schema.anything])
  }

  var cohere: JSON {
    Schema.object(
      ["texts"],
      [
        "texts": Schema.list(Schema.text, least: 1, most: most), "model": Schema.name,
        "input_type": Schema.anything,
        "embedding_types": Schema.optional(Schema.list(["enum": ["float", "base64"]], most: 8)),
        "truncate": Schema.word("none", "start", "end"),
        "output_dimension": Schema.integer(least: 1),
      ])
  }

  var rerank: JSON {
    let document = Schema.either(Schema.string, Schema.object(["text"], ["text": Schema.string]))
    let others: JSONObject = [
      "query": Schema.text, "top_n": Schema.integer(least: 1), "top_k": Schema.integer(least: 1),
      "raw_scores": Schema.flag, "return_documents": Schema.flag, "return_text": Schema.flag,
      "max_tokens_per_doc": Schema.integer(least: 1),
    ]
    let documents = Schema.list(document, least: 1, most: most)
    return Schema.either(
      Schema.object(["query", "documents"], ["documents": documents], and: merged(others)),
      Schema.object(["query", "texts"], ["texts": documents], and: merged(others)))
  }

  private func merged(_ members: JSONObject) -> JSONObject {
    var all = truncation
    for (key, value) in members { all[key] = value }
    return all
  }

  var predict: JSON {
    let strings = Schema.list(Schema.string, least: 1, most: 2)
    let several = Schema.list(
      Schema.either(Schema.string, strings), least: 1, most: most)
    // A list is one pair unless its first item is a list.
    let batch: JSON = ["allOf": [several, ["prefixItems": [strings]]]]
    return Schema.object(
      ["inputs"],
      [
        "inputs": Schema.either(Schema.string, strings, batch), "raw_scores": Schema.flag,
        "parameters": Schema.optional(
          Schema.object(
            [],
            [
              "top_k": Schema.integer(least: 1),
              "function_to_apply": Schema.optional(["const": "none"]),
            ])),
      ], and: truncation)
  }

  var classify: JSON {
    Schema.object(
      ["input"],
      [
        "input": inputs, "model": Schema.name, "raw_scores": Schema.flag, "truncate": Schema.flag,
      ])
  }

  /// Members of our own routes: one text or several, and more.
  private func own(_ needed: [String] = [], _ members: JSONObject) -> JSON {
    var all = merged(members)
    all["input"] = Schema.texts(most: most)
    return Schema.object(["input"] + needed, all)
  }

  var tag: JSON {
    own([], ["aggregate": Schema.word("none", "simple", "first", "average", "max")])
  }

  var fillMask: JSON {
    own(
      [],
      [
        "top": Schema.integer(least: 1),
        "targets": Schema.optional(Schema.list(Schema.string, most: most)),
      ])
  }

  var zeroShot: JSON {
    own(
      ["labels"],
      [
        "labels": Schema.list(Schema.string, most: 256), "hypothesis": Schema.name,
        "multi": Schema.flag,
      ])
  }

  var answer: JSON {
    let question = Schema.object(
      ["question", "context"], ["question": Schema.string, "context": Schema.string])
    let others: JSONObject = [
      "model": Schema.name, "top": Schema.integer(least: 1), "longest": Schema.integer(least: 1),
      "stride": Schema.integer(least: 0), "allows_none": Schema.flag,
    ]
    return Schema.either(
      Schema.object(
        ["input"], ["input": Schema.list(question, least: 1, most: most)], and: others),
      Schema.object(
        ["question", "context"],
        ["question": Schema.string, "context": Schema.string, "input": ["type": "null"]],
        and: others))
  }
}
