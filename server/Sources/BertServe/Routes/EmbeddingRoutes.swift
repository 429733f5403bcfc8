import Bertq
import JSONText
import ServeShapes

/// Vectors of texts, in every interface.
enum EmbeddingRoutes {
  static let all =
    ["/v1/embeddings", "/embeddings"].map { Route(.POST, $0, .openAI, isShort: true, openAI) }
    + [
      Route(.POST, "/embed", .tei, isShort: true, embed),
      Route(.POST, "/invocations", .tei, isShort: true, root),
      Route(.POST, "/", .tei, isShort: true, root),
      Route(.POST, "/embed_all", .tei, embedAll),
      Route(.POST, "/similarity", .tei, isShort: true, similarity),
      Route(.POST, "/api/embed", .ollama, isShort: true, ollama),
      Route(.POST, "/api/embeddings", .ollama, isShort: true, ollamaPrompt),
      Route(.POST, "/v2/embed", .cohere, isShort: true, cohere),
    ]

  @Sendable static func openAI(_ call: Call) async throws -> Reply {
    let request = try EmbeddingRequest.openAI(call.body, call.server.limits)
    let embeddings = try await call.embed(request)
    return Reply(embeddings.openAI(request.encoding), embeddings)
  }

  @Sendable static func embed(_ call: Call) async throws -> Reply {
    let embeddings = try await call.embed(try .tei(call.body, call.server.limits))
    return Reply(embeddings.tei(), embeddings)
  }

  /// The root path: what is asked shows in the body.
  @Sendable static func root(_ call: Call) async throws -> Reply {
    if call.body["inputs"]?.objectValue != nil { return try await similarity(call) }
    return try await embed(call)
  }

  @Sendable static func similarity(_ call: Call) async throws -> Reply {
    let embeddings = try await call.embed(try .similarity(call.body, call.server.limits))
    var text = AnswerText()
    let source = embeddings.vectors[0]
    text.vector(embeddings.vectors.dropFirst().map { cosine(source, $0) })
    return Reply(text, embeddings)
  }

  /// The product of two vectors of length 1, between -1 and 1.
  private static func cosine(_ a: [Float], _ b: [Float]) -> Float {
    let product = zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    return Float(min(max(product, -1), 1))
  }

  @Sendable static func embedAll(_ call: Call) async throws -> Reply {
    let request = try EmbeddingRequest.teiTokens(call.body, call.server.limits)
    let served = try call.model(request.model)
    if let dimensions = request.dimensions, dimensions != served.model.info.hiddenSize {
      throw ServeError(
        .invalidRequest, "tokens' vectors have \(served.model.info.hiddenSize) dimensions",
        place: "dimensions")
    }
    let tokens = try await call.tokenize(
      request.promptedTexts, for: served.model, truncates: request.truncates)
    let begin = ContinuousClock.now
    let results = await served.model.tokensEach(
      tokens.inputs, request: try call.requestOptions())
    var texts: [TokenVectors] = []
    for (index, result) in results.enumerated() {
      do throws(BertError) {
        texts.append(try result.get())
      } catch {
        throw ServeError(error, place: request.texts.place(index))
      }
    }
    call.noteComputed(request.texts, tokens, since: begin)
    var text = AnswerText()
    text.list(texts) { text, item in
      text.list(0..<item.count) { $0.vector(Array(item[$1])) }
    }
    let used = Embeddings(
      vectors: [], tokens: tokens.tokens, cutTexts: tokens.cut, model: served.name,
      fingerprint: served.model.fingerprint)
    return Reply(text, used)
  }

  @Sendable static func ollama(_ call: Call) async throws -> Reply {
    let request = try EmbeddingRequest.ollama(call.body, call.server.limits)
    let embeddings = try await call.embed(request)
    let name = request.model ?? embeddings.model
    return Reply(embeddings.ollama(name: name, nanoseconds: call.nanoseconds), embeddings)
  }

  @Sendable static func ollamaPrompt(_ call: Call) async throws -> Reply {
    let embeddings = try await call.embed(try .ollamaPrompt(call.body))
    return Reply(embeddings.ollamaPrompt(), embeddings)
  }

  @Sendable static func cohere(_ call: Call) async throws -> Reply {
    let request = try CohereEmbedding(call.body, call.server.limits)
    let embeddings = try await call.embed(request.embedding)
    let texts = request.embedding.texts.inputs.map(\.text)
    return Reply(
      embeddings.cohere(id: call.id, texts: texts, request.encodings), embeddings)
  }
}
