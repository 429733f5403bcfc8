import JSONText
import ServeShapes

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

  private let dimensions = Schema.integer(1...EmbeddingRequest.mostDimensions)
  private let numbers = Schema.integer(1...RerankRequest.mostDocuments)

  /// The same where vectors of texts are asked for.
  private var embedding: JSONObject {
    var members = prompted
    members["normalize"] = Schema.flag
    members["dimensions"] = dimensions
    return members
  }

  var openAI: JSON {
    Schema.object(
      ["input"],
      [
        "input": inputs, "encoding_format": Schema.word("float", "base64"),
        "user": Schema.anything,
      ], and: embedding)
  }

  /// Inputs with options, which may stand in `parameters` too.
  private func tei(_ inputs: JSON, _ options: JSONObject) -> JSON {
    Schema.object(
      ["inputs"],
      ["inputs": inputs, "parameters": Schema.optional(Schema.object([], options))],
      and: options)
  }

  var embed: JSON { tei(inputs, embedding) }

  var embedAll: JSON {
    var members = prompted
    members["dimensions"] = dimensions
    return tei(inputs, members)
  }

  var sparse: JSON { tei(inputs, prompted) }

  var similarity: JSON {
    let sentences = Schema.object(
      ["source_sentence", "sentences"],
      [
        "source_sentence": Schema.text,
        "sentences": Schema.list(Schema.text, least: 1, most: most - 1),
      ])
    return tei(sentences, prompted)
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
      ["input": texts, "options": Schema.anything, "keep_alive": Schema.anything],
      and: embedding)
  }

  var ollamaPrompt: JSON {
    Schema.object(
      [],
      ["prompt": Schema.name, "options": Schema.anything, "keep_alive": Schema.anything],
      and: embedding)
  }

  var cohere: JSON {
    Schema.object(
      ["texts"],
      [
        "texts": Schema.list(Schema.text, least: 1, most: most), "model": Schema.name,
        "input_type": Schema.anything,
        "embedding_types": Schema.optional(Schema.list(["enum": ["float", "base64"]], most: 8)),
        "truncate": Schema.word("none", "start", "end"),
        "output_dimension": dimensions,
      ])
  }

  var rerank: JSON {
    let document = Schema.either(Schema.text, Schema.object(["text"], ["text": Schema.text]))
    let nothing: JSON = ["type": "null"]
    let others: JSONObject = [
      "query": Schema.text, "top_n": numbers, "top_k": numbers,
      "raw_scores": Schema.flag, "return_documents": Schema.flag, "return_text": Schema.flag,
      "max_tokens_per_doc": numbers,
    ]
    let documents = Schema.list(document, least: 1, most: most)
    return Schema.either(
      Schema.object(["query", "documents"], ["documents": documents], and: merged(others)),
      Schema.object(
        ["query", "texts"], ["texts": documents, "documents": nothing], and: merged(others)))
  }

  private func merged(_ members: JSONObject) -> JSONObject {
    var all = truncation
    for (key, value) in members { all[key] = value }
    return all
  }

  var predict: JSON {
    let strings = Schema.list(Schema.text, least: 1, most: 2)
    let several = Schema.list(Schema.either(Schema.text, strings), least: 1, most: most)
    // A list is one pair unless its first item is a list.
    let batch: JSON = ["allOf": [several, ["prefixItems": [strings]]]]
    let options = merged(["raw_scores": Schema.flag, "top_k": numbers])
    return Schema.object(
      ["inputs"],
      [
        "inputs": Schema.either(Schema.text, strings, batch),
        "parameters": Schema.optional(
          Schema.object(
            [], ["function_to_apply": Schema.optional(["const": "none"])], and: options)),
      ], and: options)
  }

  var classify: JSON {
    Schema.object(
      ["input"], ["input": inputs, "raw_scores": Schema.flag], and: truncation)
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
        "top": Schema.integer(FillMaskRequest.tops),
        "targets": Schema.optional(Schema.list(Schema.text, least: 1, most: most)),
      ])
  }

  var zeroShot: JSON {
    own(
      ["labels"],
      [
        "labels": Schema.list(Schema.text, least: 1, most: ZeroShotRequest.mostLabels),
        "hypothesis": Schema.optional(["type": "string", "pattern": "\\{\\}"]),
        "multi": Schema.flag,
      ])
  }

  var answer: JSON {
    let question = Schema.object(
      ["question", "context"], ["question": Schema.text, "context": Schema.text])
    let nothing: JSON = ["type": "null"]
    let others: JSONObject = [
      "model": Schema.name, "top": Schema.integer(AnswerRequest.tops),
      "longest": Schema.integer(AnswerRequest.lengths),
      "stride": Schema.integer(AnswerRequest.strides), "allows_none": Schema.flag,
    ]
    return Schema.either(
      Schema.object(
        ["input"],
        [
          "input": Schema.list(question, least: 1, most: most), "question": nothing,
          "context": nothing,
        ], and: others),
      Schema.object(
        ["question", "context"],
        ["question": Schema.text, "context": Schema.text, "input": nothing],
        and: others))
  }
}
