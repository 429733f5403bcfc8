import Bertq
import JSONText
import NIOHTTP1
import ServeShapes

/// The description of all routes in OpenAPI 3.1, as this server with its models and limits answers them.
struct OpenAPIDocument {
  let server: Server
  let routes: [Route]

  /// What a route is for.
  private struct Operation {
    let summary: String
    var request: JSON?
    let answer: JSON
    /// A body that a model of the right kind answers.
    var example: JSON = .null
  }

  private var requests: RequestSchemas {
    RequestSchemas(most: server.settings.inputLimit, takesIDs: server.settings.takesIDs)
  }

  var json: JSON {
    var paths = JSONObject()
    for route in routes {
      let path = route.path.replacingFirst("{}", with: "{model}")
      var methods = paths[path]?.objectValue ?? JSONObject()
      methods[route.method.rawValue.lowercased()] = describe(route)
      paths[path] = .object(methods)
    }
    var members: JSONObject = [
      "openapi": "3.1.0",
      "info": [
        "title": "bert-serve", "version": .string(Release.version),
        "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
        "description":
          "BERT-like encoders on CPUs: the same text has the same bits in any request.",
      ],
      "paths": .object(paths),
    ]
    if !server.keys.areOpen {
      members["components"] = [
        "securitySchemes": ["key": ["type": "http", "scheme": "bearer"]]
      ]
    }
    return .object(members)
  }

  private func describe(_ route: Route) -> JSON {
    let operation = operation(route)
    let type = route.path == "/metrics" ? "text/plain" : "application/json"
    var responses: JSONObject = [
      "200": [
        "description": "The answer.",
        "content": .object(JSONObject([(type, .object(["schema": operation.answer]))])),
      ]
    ]
    for status in statuses(route) {
      responses["\(status)"] = [
        "description": "An error.",
        "content": ["application/json": ["schema": AnswerSchemas.error(dialects(of: route))]],
      ]
    }
    var members: JSONObject = [
      "summary": .string(operation.summary), "responses": .object(responses),
      "parameters": .array(parameters(route)),
    ]
    if let request = operation.request {
      members["requestBody"] = [
        "required": true,
        "content": ["application/json": ["schema": request, "example": operation.example]],
      ]
    }
    if !server.keys.areOpen, !route.isOpen { members["security"] = [["key": []]] }
    return .object(members)
  }

  private func parameters(_ route: Route) -> [JSON] {
    if route.path.hasSuffix("{}") {
      return [["name": "model", "in": "path", "required": true, "schema": Schema.text]]
    }
    guard route.method == .POST, route.path != "/tokenize", route.path != "/decode" else {
      return []
    }
    return [
      [
        "name": "x-bertq-priority", "in": "header",
        "schema": ["enum": ["bulk", "interactive"]],
        "description": "bulk puts a request behind those that somebody waits for.",
      ],
      [
        "name": "x-request-timeout-ms", "in": "header",
        "schema": ["type": "integer", "minimum": 1, "maximum": 86_400_000],
        "description": "Milliseconds after which the answer is of no use.",
      ],
      [
        "name": "if-match", "in": "header", "schema": Schema.string,
        "description": "The fingerprint, in quotes, of the model whose answers are wanted.",
      ],
    ]
  }

  /// Whose interface a route speaks: of some the body decides.
  private func dialects(of route: Route) -> [Dialect] {
    HeadRoutes.reranking.contains(route.path) ? [route.dialect, .tei] : [route.dialect]
  }

  /// The statuses of errors that a route may answer.
  private func statuses(_ route: Route) -> [Int] {
    var codes: [ServeError.Code] = [.invalidRequest, .unavailable]
    if !route.isOpen { codes.append(.invalidKey) }
    if route.path.hasSuffix("{}") { codes.append(.unknownModel) }
    if route.method == .POST {
      codes += [
        .tooLong, .tokenIDs, .unsupportedTask, .unknownModel, .slowBody, .fingerprint, .tooLarge,
        .mediaType, .overloaded, .model, .deadline,
      ]
    }
    return Set(dialects(of: route).flatMap { codes.map($0.status) }).sorted()
  }

  private func operation(_ route: Route) -> Operation {
    switch route.path {
    case "/v1/embeddings", "/embeddings":
      Operation(
        summary: "Vectors of texts, as OpenAI's interface has it", request: requests.openAI,
        answer: AnswerSchemas.openAI, example: ["input": ["a text", "another"], "model": "any"])
    case "/embed":
      Operation(
        summary: "Vectors of texts", request: requests.embed, answer: AnswerSchemas.embed,
        example: ["inputs": "a text"])
    case "/" where route.method == .POST, "/invocations":
      Operation(
        summary: "Vectors of texts, or how like they are, by the body",
        request: Schema.either(requests.embed, requests.similarity), answer: AnswerSchemas.root,
        example: ["inputs": ["a text"]])
    case "/embed_all":
      Operation(
        summary: "A vector for each token", request: requests.embedAll,
        answer: AnswerSchemas.embedAll, example: ["inputs": "a text"])
    case "/similarity":
      Operation(
        summary: "How like a sentence is to others", request: requests.similarity,
        answer: AnswerSchemas.similarity,
        example: ["inputs": ["source_sentence": "a text", "sentences": ["another"]]])
    case "/embed_sparse":
      Operation(
        summary: "Sparse vectors of texts", request: requests.sparse,
        answer: AnswerSchemas.sparse, example: ["inputs": "a text"])
    case "/tokenize":
      Operation(
        summary: "Tokens of texts, with their places", request: requests.tokenize,
        answer: AnswerSchemas.tokenize, example: ["inputs": "a text"])
    case "/decode":
      Operation(
        summary: "Texts of tokens", request: requests.decode, answer: AnswerSchemas.decode,
        example: ["ids": [5, 6]])
    default: otherOperation(route)
    }
  }

  private func otherOperation(_ route: Route) -> Operation {
    switch route.path {
    case "/api/embed":
      Operation(
        summary: "Vectors of texts, as Ollama's interface has it", request: requests.ollama,
        answer: AnswerSchemas.ollama, example: ["model": "any", "input": "a text"])
    case "/api/embeddings":
      Operation(
        summary: "The vector of a text, as Ollama's older interface has it",
        request: requests.ollamaPrompt, answer: AnswerSchemas.ollamaPrompt,
        example: ["model": "any", "prompt": "a text"])
    case "/v2/embed":
      Operation(
        summary: "Vectors of texts, as Cohere's interface has it", request: requests.cohere,
        answer: AnswerSchemas.cohere,
        example: ["texts": ["a text"], "embedding_types": ["float"]])
    case "/rerank", "/v1/rerank", "/v2/rerank", "/reranking":
      Operation(
        summary: "Texts in falling order of how well they fit a query",
        request: requests.rerank, answer: AnswerSchemas.rerank,
        example: ["query": "a question", "documents": ["a text", "another"]])
    case "/predict":
      Operation(
        summary: "Labels of texts or pairs", request: requests.predict,
        answer: AnswerSchemas.predict, example: ["inputs": "a text"])
    case "/classify", "/v1/classify":
      Operation(
        summary: "Labels of texts, as infinity's interface has it", request: requests.classify,
        answer: AnswerSchemas.classify, example: ["input": ["a text"]])
    default: ownOperation(route)
    }
  }

  private func ownOperation(_ route: Route) -> Operation {
    switch route.path {
    case "/v1/tag":
      Operation(
        summary: "Entities of texts, with their places", request: requests.tag,
        answer: AnswerSchemas.tag, example: ["input": "a text"])
    case "/v1/answer":
      Operation(
        summary: "Parts of a context that answer a question", request: requests.answer,
        answer: AnswerSchemas.answer,
        example: ["question": "a question", "context": "a text"])
    case "/v1/fill-mask":
      Operation(
        summary: "Words for the masks of texts", request: requests.fillMask,
        answer: AnswerSchemas.fillMask, example: ["input": "a [MASK]"])
    case "/v1/zero-shot":
      Operation(
        summary: "How well labels of one's own fit texts", request: requests.zeroShot,
        answer: AnswerSchemas.zeroShot, example: ["input": "a text", "labels": ["one", "two"]])
    case "/v1/models", "/models":
      Operation(summary: "The models", answer: AnswerSchemas.models)
    case "/v1/models/{}": Operation(summary: "A model", answer: AnswerSchemas.oneModel)
    case "/info": Operation(summary: "The model, and the limits", answer: AnswerSchemas.info)
    case "/api/tags": Operation(summary: "The models", answer: AnswerSchemas.tags)
    case "/api/version": Operation(summary: "The version", answer: AnswerSchemas.version)
    case "/metrics": Operation(summary: "Metrics, for Prometheus", answer: Schema.string)
    case "/openapi.json": Operation(summary: "This document", answer: AnswerSchemas.document)
    default: Operation(summary: "Whether the server is well", answer: AnswerSchemas.health)
    }
  }
}

extension String {
  fileprivate func replacingFirst(_ part: String, with other: String) -> String {
    guard hasSuffix(part) else { return self }
    return dropLast(part.count) + other
  }
}
