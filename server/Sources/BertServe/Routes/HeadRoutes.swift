import Bertq
import JSONText
import ServeShapes

/// What classifiers and rerankers answer, in the interfaces that clients know.
enum HeadRoutes {
  static let reranking = ["/rerank", "/v1/rerank", "/v2/rerank", "/reranking"]
  static let all =
    reranking.map { Route(.POST, $0, .cohere, isShort: true, rerank) }
    + ["/classify", "/v1/classify"].map { Route(.POST, $0, .openAI, isShort: true, classify) }
    + [
      Route(.POST, "/predict", .tei, isShort: true, predict),
      Route(.POST, "/embed_sparse", .tei, sparse),
    ]

  /// The body decides in whose form it is answered, an error too.
  @Sendable static func rerank(_ call: Call) async throws -> Reply {
    do throws(ServeError) {
      return try await ranked(call)
    } catch {
      throw RerankRequest.isTEI(call.body) ? error.told(in: .tei) : error
    }
  }

  private static func ranked(_ call: Call) async throws(ServeError) -> Reply {
    let request = try RerankRequest(call.body, call.server.limits)
    let model = try call.model(request.model, .head).model
    var truncates = request.truncates
    if let most = request.documentTokens {
      guard most >= model.tokenLimit else {
        throw ServeError(
          .invalidRequest,
          "max_tokens_per_doc is \(most), which is not supported below the model's \(model.tokenLimit)",
          place: "max_tokens_per_doc")
      }
      truncates = true
    }
    let query = TextInput(request.query)
    if !truncates {
      // What is too long without a document is no document's fault.
      var alone = TextList([query], key: request.key)
      alone.lead = "query"
      _ = try await call.tokenize(alone, for: model, truncates: false)
    }
    // All pairs share the query's bytes.
    var pair = query
    let pairs = TextList(
      request.documents.map {
        pair.pair = Array($0.utf8)
        return pair
      }, key: request.key
    ).cut(request.truncationSide)
    let found = try await call.answer(pairs, of: request.model, truncates: truncates) {
      await $0.relevanceEach($1, request: $2)
    }
    let scores = found.answers.map { request.isRaw ? $0.logit : $0.score }
    // Of equal scores the first document stands first.
    let order = scores.indices.sorted {
      scores[$0] == scores[$1] ? $0 < $1 : scores[$0] > scores[$1]
    }
    let best = order.prefix(request.top ?? order.count)
    return found.reply(
      request.isTEI
        ? tei(request, best, scores) : cohere(request, best, scores, found, id: call.id))
  }

  private static func tei(
    _ request: RerankRequest, _ order: ArraySlice<Int>, _ scores: [Float]
  ) -> AnswerText {
    var text = AnswerText()
    text.list(order) { text, index in
      text.raw(#"{"index":\#(index),"score":"#)
      text.number(scores[index])
      if request.returnsDocuments {
        text.raw(#","text":"#)
        text.string(request.documents[index])
      }
      text.raw("}")
    }
    return text
  }

  private static func cohere(
    _ request: RerankRequest, _ order: ArraySlice<Int>, _ scores: [Float],
    _ found: HeadAnswers<LabelScore>, id: String
  ) -> AnswerText {
    var text = AnswerText()
    text.raw(#"{"object":"rerank","id":"#)
    text.string(id)
    text.raw(#","model":"#)
    text.string(found.served.name)
    text.raw(#","results":"#)
    text.list(order) { text, index in
      text.raw(#"{"index":\#(index),"relevance_score":"#)
      text.number(scores[index])
      if request.returnsDocuments {
        text.raw(#","document":{"text":"#)
        text.string(request.documents[index])
        text.raw("}")
      }
      text.raw("}")
    }
    let tokens = found.tokens
    text.raw(#","usage":{"prompt_tokens":\#(tokens),"total_tokens":\#(tokens)}"#)
    text.raw(#","meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}"#)
    return text
  }

  @Sendable static func predict(_ call: Call) async throws -> Reply {
    let request = try ClassifyRequest.tei(call.body, call.server.limits)
    let found = try await classified(request, call)
    var text = AnswerText()
    if request.texts.isSingle, !request.isOfHub {
      write(found.answers[0], request, into: &text)
    } else {
      text.list(found.answers) { write($1, request, into: &$0) }
    }
    return found.reply(text)
  }

  @Sendable static func classify(_ call: Call) async throws -> Reply {
    let request = try ClassifyRequest.infinity(call.body, call.server.limits)
    let found = try await classified(request, call)
    var text = AnswerText()
    text.raw(#"{"object":"classify","model":"#)
    text.string(found.served.name)
    text.raw(#","data":"#)
    text.list(found.answers) { write($1, request, into: &$0) }
    text.raw(#","usage":{"prompt_tokens":\#(found.tokens),"total_tokens":\#(found.tokens)}}"#)
    return found.reply(text)
  }

  private static func classified(
    _ request: ClassifyRequest, _ call: Call
  ) async throws(ServeError) -> HeadAnswers<Classification> {
    try await call.answer(
      request.texts.cut(request.truncationSide), of: request.model, truncates: request.truncates
    ) { await $0.classifyEach($1, request: $2) }
  }

  private static func write(
    _ answer: Classification, _ request: ClassifyRequest, into text: inout AnswerText
  ) {
    text.list(answer.labels.prefix(request.top ?? answer.labels.count)) { text, label in
      text.raw(#"{"score":"#)
      text.number(request.isRaw ? label.logit : label.score)
      text.raw(#","label":"#)
      text.string(label.label)
      text.raw("}")
    }
  }

  @Sendable static func sparse(_ call: Call) async throws -> Reply {
    let request = try EmbeddingRequest.teiSparse(call.body, call.server.limits)
    let found = try await call.answer(
      request.promptedTexts, of: request.model, truncates: request.truncates
    ) { await $0.sparseEach($1, request: $2) }
    var text = AnswerText()
    text.list(found.answers) { text, weights in
      text.list(zip(weights.indices, weights.values)) { text, pair in
        text.raw(#"{"index":\#(pair.0),"value":"#)
        text.number(pair.1)
        text.raw("}")
      }
    }
    return found.reply(text)
  }
}
