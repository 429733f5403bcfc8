import Bertq
import ServeShapes

/// Texts as tokens, ready to be computed.
struct TokenizedTexts: Sendable {
  var inputs: [TokenizedInput] = []
  /// How many were cut.
  var cut = 0
  var counts: [Int] { inputs.map { $0.ids.count } }
  var tokens: Int { inputs.reduce(0) { $0 + $1.ids.count } }
}

/// Lets others have their turn while texts are made tokens.
struct Turns {
  /// Bytes of text that are tokenized before that.
  private static let most = 1 << 16
  private var bytes = 0

  /// Notes that so many bytes were tokenized.
  ///
  /// - Throws: `closed` when the client is gone.
  mutating func after(_ count: Int) async throws(ServeError) {
    bytes += count
    if bytes < Self.most { return }
    bytes = 0
    await Task.yield()
    if Task.isCancelled { throw ServeError(.closed, "the client closed the connection") }
  }
}

extension Call {
  /// The tokens of all texts.
  ///
  /// - Throws: one error that names all texts that are at fault.
  func tokenize(
    _ texts: TextList, for model: Model, truncates: Bool
  ) async throws(ServeError) -> TokenizedTexts {
    var result = TokenizedTexts()
    result.inputs.reserveCapacity(texts.inputs.count)
    var failures: [(index: Int, error: BertError)] = []
    var turns = Turns()
    let begin = ContinuousClock.now
    for (index, input) in texts.inputs.enumerated() {
      do throws(BertError) {
        let tokens = try model.tokenize(input, truncates: truncates, defaultPrompt: true)
        if tokens.cut > 0 { result.cut += 1 }
        result.inputs.append(tokens)
      } catch {
        failures.append((index, error))
      }
      try await turns.after(input.text.count)
    }
    if !failures.isEmpty { throw Self.error(failures, texts) }
    meter.noteTokenized(in: ContinuousClock.now - begin)
    return result
  }

  /// Notes texts that the model answered.
  ///
  /// - Parameter tokens: what they were tokenized to, where that was done here.
  func noteComputed(
    _ texts: TextList, _ tokens: TokenizedTexts? = nil, since begin: ContinuousClock.Instant
  ) {
    let duration = ContinuousClock.now - begin
    meter.noteComputed(texts, in: duration)
    server.instruments.note(
      texts: texts.inputs.count, lengths: tokens?.counts ?? [], cutTexts: tokens?.cut ?? 0,
      meter.tally, nanoseconds: duration.nanoseconds)
  }

  /// Places that a message names at most.
  private static let placesNamed = 20

  private static func error(
    _ failures: [(index: Int, error: BertError)], _ texts: TextList
  ) -> ServeError {
    let places = failures.map { texts.place($0.index) }
    var error = ServeError(failures[0].error, place: places[0], isOfRequest: true)
    error.indices = failures.map(\.index)
    error.message = "\(places[0]): \(error.message)"
    if failures.count > 1 {
      let named = places.prefix(placesNamed).joined(separator: ", ")
      let more = places.count > placesNamed ? " and others" : ""
      error.message += "; \(failures.count) texts are at fault: \(named)\(more)"
    }
    if error.code == .tooLong {
      error.message += "; shorten them, or send \"truncate\": true to have them cut"
    }
    return error
  }

  /// Vectors of texts.
  func embed(_ request: EmbeddingRequest) async throws(ServeError) -> Embeddings {
    let served = try model(request.model)
    let model = served.model
    try requireEmbedder(served)
    let dimensions = try dimensions(request.dimensions, of: served)
    let tokens = try await tokenize(
      request.promptedTexts, for: model, truncates: request.truncates)
    let options = try requestOptions()
    let begin = ContinuousClock.now
    let results = await model.embedEach(
      tokens.inputs, normalizes: request.normalizes, request: options)
    var vectors: [[Float]] = []
    vectors.reserveCapacity(results.count)
    for (index, result) in results.enumerated() {
      do throws(BertError) {
        vectors.append(try result.get())
      } catch {
        throw ServeError(error, place: request.texts.place(index))
      }
    }
    if dimensions < model.dimensions {
      let rescales = request.normalizes ?? model.info.normalizes
      for index in vectors.indices { vectors[index].cut(to: dimensions, rescaling: rescales) }
    }
    noteComputed(request.texts, tokens, since: begin)
    return Embeddings(
      vectors: vectors, tokens: tokens.tokens, cutTexts: tokens.cut, model: served.name,
      fingerprint: model.fingerprint)
  }

  /// Tasks whose encoders were trained for something else than vectors of texts.
  private static let otherTasks: Set<String> = [
    "classify", "rerank", "tag", "answer", "next-sentence", "choose",
  ]

  /// Refuses vectors of a model that was made to classify: they would look like vectors and mean little.
  func requireEmbedder(_ served: NamedModel) throws(ServeError) {
    let task = served.model.task
    if Self.otherTasks.contains(task) {
      throw ServeError(
        .unsupportedTask,
        "the model '\(served.name)' is for the task '\(task)', not for vectors of texts"
      ).final
    }
  }

  private func dimensions(_ wanted: Int?, of served: NamedModel) throws(ServeError) -> Int {
    let all = served.model.dimensions
    guard let wanted, wanted != all else { return all }
    guard wanted < all, server.settings.takesDimensions else {
      throw ServeError(
        .invalidRequest,
        "the vectors of '\(served.name)' have \(all) dimensions, not \(wanted)"
          + (wanted < all
            ? "; a server that is to cut them, for models that were trained for it, is started with "
              + "--allow-dimensions" : ""),
        place: "dimensions")
    }
    return wanted
  }
}

extension [Float] {
  /// Keeps the first numbers, scaled to length 1 again if the whole was.
  fileprivate mutating func cut(to count: Int, rescaling: Bool) {
    removeLast(self.count - count)
    guard rescaling else { return }
    let length = reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    if length > 0 { for index in indices { self[index] = Float(Double(self[index]) / length) } }
  }
}

extension Reply {
  /// The same, saying what it took.
  func noting(_ call: Call) -> Reply {
    var copy = self
    copy.headers += call.meter.headers(total: ContinuousClock.now - call.start)
    return copy
  }

  /// What an answer says of how it was made.
  init(_ text: AnswerText, _ embeddings: Embeddings) {
    self.init(text)
    headers = [
      ("etag", "\"\(embeddings.fingerprint)\""), ("x-bertq-model", embeddings.model),
    ]
    if embeddings.cutTexts > 0 { headers.append(("x-bertq-truncated", "\(embeddings.cutTexts)")) }
  }
}
