import JSONText
import ServeShapes

/// What answers look like.
enum AnswerSchemas {
  private static let usage = Schema.object(
    ["prompt_tokens", "total_tokens"],
    [
      "prompt_tokens": Schema.count, "total_tokens": Schema.count,
      "truncated_inputs": Schema.count,
    ])
  private static let encoded = Schema.either(Schema.vector, Schema.string)
  private static let vectors = Schema.list(Schema.vector)

  static let openAI = Schema.object(
    ["object", "data", "model", "usage", "fingerprint"],
    [
      "object": ["const": "list"], "model": Schema.string, "usage": usage,
      "fingerprint": Schema.string,
      "data": Schema.list(
        Schema.object(
          ["object", "index", "embedding"],
          ["object": ["const": "embedding"], "index": Schema.count, "embedding": encoded])),
    ])
  static let embed = vectors
  /// Of the root path, which answers two shapes.
  static let root = Schema.either(vectors, Schema.vector)
  static let embedAll = Schema.list(vectors)
  static let similarity = Schema.list(["type": "number", "minimum": -1, "maximum": 1])
  static let sparse = Schema.list(
    Schema.list(
      Schema.object(["index", "value"], ["index": Schema.count, "value": Schema.number])))
  static let tokenize = Schema.list(
    Schema.list(
      Schema.object(
        ["id", "text", "special", "start", "stop"],
        [
          "id": Schema.count, "text": Schema.name, "special": ["type": "boolean"],
          "start": Schema.integer(least: 0), "stop": Schema.integer(least: 0),
        ])))
  static let decode = Schema.list(Schema.string)
  static let ollama = Schema.object(
    ["model", "embeddings", "total_duration", "load_duration", "prompt_eval_count"],
    [
      "model": Schema.string, "embeddings": vectors, "total_duration": Schema.count,
      "load_duration": Schema.count, "prompt_eval_count": Schema.count,
    ])
  static let ollamaPrompt = Schema.object(["embedding"], ["embedding": Schema.vector])
  static let cohere = Schema.object(
    ["id", "embeddings", "texts", "meta"],
    [
      "id": Schema.string, "texts": Schema.list(Schema.string), "meta": ["type": "object"],
      "embeddings": Schema.object(
        [], ["float": vectors, "base64": Schema.list(Schema.string)]),
    ])
  /// text-embeddings-inference's list, or Cohere's object.
  static let rerank = Schema.either(
    Schema.list(
      Schema.object(
        ["index", "score"],
        ["index": Schema.count, "score": Schema.number, "text": Schema.string])),
    Schema.object(
      ["id", "model", "results", "usage", "meta"],
      [
        "id": Schema.string, "model": Schema.string, "usage": usage, "meta": ["type": "object"],
        "results": Schema.list(
          Schema.object(
            ["index", "relevance_score"],
            [
              "index": Schema.count, "relevance_score": Schema.number,
              "document": Schema.object(["text"], ["text": Schema.string]),
            ])),
      ]))
  private static let labels = Schema.list(
    Schema.object(["score", "label"], ["score": Schema.number, "label": Schema.string]))
  static let predict = Schema.either(labels, Schema.list(labels))
  static let classify = Schema.object(
    ["object", "model", "data", "usage"],
    [
      "object": ["const": "classify"], "model": Schema.string, "data": Schema.list(labels),
      "usage": usage,
    ])

  /// What our own routes give: `data` with an object for each text.
  private static func own(_ member: String, _ value: JSON) -> JSON {
    var item: JSONObject = ["index": Schema.count]
    item[member] = value
    return Schema.object(
      ["object", "model", "data", "fingerprint"],
      [
        "object": ["const": "list"], "model": Schema.string, "fingerprint": Schema.string,
        "data": Schema.list(Schema.object(["index", member], item)),
      ])
  }

  private static let places: JSONObject = [
    "score": Schema.number, "text": Schema.string, "start": Schema.count, "end": Schema.count,
    "byte_start": Schema.count, "byte_end": Schema.count,
  ]
  private static let placed = ["score", "text", "start", "end", "byte_start", "byte_end"]
  static let tag = own(
    "entities",
    Schema.list(Schema.object(placed + ["label"], ["label": Schema.string], and: places)))
  static let answer = own("answers", Schema.list(Schema.object(placed, places)))
  static let fillMask = own(
    "masks",
    Schema.list(
      Schema.object(
        ["start", "end", "candidates"],
        [
          "start": Schema.count, "end": Schema.count,
          "candidates": Schema.list(
            Schema.object(
              ["token", "id", "score"],
              ["token": Schema.string, "id": Schema.count, "score": Schema.number])),
        ])))
  static let zeroShot = own("labels", labels)

  private static let model = Schema.object(
    ["id", "object", "created", "owned_by", "fingerprint"],
    [
      "id": Schema.string, "object": ["const": "model"], "created": Schema.count,
      "owned_by": Schema.string, "fingerprint": Schema.string, "head_fingerprint": Schema.name,
    ])
  static let models = Schema.object(
    ["object", "data"], ["object": ["const": "list"], "data": Schema.list(model)])
  static let oneModel = model
  static let info = Schema.object(
    ["model_id", "model_type", "max_input_length", "fingerprint", "version"],
    [
      "model_id": Schema.string, "model_type": ["type": "object"],
      "max_input_length": Schema.count, "fingerprint": Schema.string, "version": Schema.string,
    ])
  static let tags = Schema.object(["models"], ["models": Schema.list(["type": "object"])])
  static let version = Schema.object(["version"], ["version": Schema.string])
  static let health = Schema.object(["status"], ["status": ["const": "ok"]])
  static let document: JSON = ["type": "object"]

  /// An error, as one of these interfaces writes it.
  static func error(_ dialects: [Dialect]) -> JSON {
    dialects.count == 1 ? error(dialects[0]) : ["anyOf": .array(dialects.map(error))]
  }

  private static func error(_ dialect: Dialect) -> JSON {
    let indices = Schema.list(Schema.count)
    return switch dialect {
    case .openAI:
      Schema.object(
        ["error"],
        [
          "error": Schema.object(
            ["message", "type", "param", "code"],
            [
              "message": Schema.string, "type": Schema.string, "param": Schema.name,
              "code": Schema.string, "indices": indices,
            ])
        ])
    case .tei:
      Schema.object(
        ["error", "error_type"],
        [
          "error": Schema.string, "code": Schema.string, "indices": indices,
          "error_type": [
            "enum": ["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"]
          ],
        ])
    case .ollama: Schema.object(["error"], ["error": Schema.string, "indices": indices])
    case .cohere:
      Schema.object(
        ["id", "message"],
        ["id": Schema.string, "message": Schema.string, "indices": indices])
    }
  }
}
