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
  /// When the tokens are of no use any more.
  private let deadline: ContinuousClock.Instant?

  init(_ call: Call) throws(ServeError) { deadline = try call.requestOptions().deadline }

  /// Notes that so many bytes were tokenized.
  ///
  /// - Throws: `closed` when the client is gone, `deadline` when it wants no answer any more.
  mutating func after(_ count: Int) async throws(ServeError) {
    bytes += count
    if bytes < Self.most { return }
    bytes = 0
    await Task.yield()
    if Task.isCancelled { throw ServeError(.closed, "the client closed the connection") }
    if let deadline, ContinuousClock.now > deadline {
      throw ServeError(.deadline, "the deadline passed while the texts were made tokens")
    }
  }
}

extension Call {
  /// The tokens of all texts.
  ///
  /// - Parameter truncates: cuts what is too long; nil does as each text says.
  /// - Throws: one error that names all texts that are at fault.
  func tokenize(
    _ texts: TextList, for model: Model, truncates: Bool?
  ) async throws(ServeError) -> TokenizedTexts {
    try checkPrompt(of: texts, for: model)
    var result = TokenizedTexts()
    result.inputs.reserveCapacity(texts.inputs.count)
    var faults = ItemFaults()
    var turns = try Turns(self)
    let begin = ContinuousClock.now
    for (index, input) in texts.inputs.enumerated() {
      do throws(ServeError) {
        let tokens = try Self.tokens(input, model, truncates, texts, index)
        if tokens.cut > 0 { result.cut += 1 }
        result.inputs.append(tokens)
      } catch {
        // What a file lacks is no text's fault.
        if error.code == .unsupportedTask { throw error }
        faults.note(error, at: texts.position(index))
      }
      try await turns.after(input.text.count + (input.pair?.count ?? 0))
    }
    try faults.check()
    meter.noteTokenized(in: ContinuousClock.now - begin)
    return result
  }

  private static func tokens(
    _ input: TextInput, _ model: Model, _ truncates: Bool?, _ texts: TextList, _ index: Int
  ) throws(ServeError) -> TokenizedInput {
    let place = texts.place(index)
    if let ids = input.ids, ids.count > model.tokenLimit {
      throw ServeError(
        .tooLong,
        "\(place): \(ids.count) token ids; the model takes \(model.tokenLimit); send fewer, as ids are not cut",
        place: place)
    }
    do throws(BertError) {
      return try model.tokenize(input, truncates: truncates, defaultPrompt: true)
    } catch {
      var error = ServeError(error, place: place, isOfRequest: true)
      error.message = "\(place): \(error.message)"
      if error.code == .tooLong {
        error.message += "; shorten it, or send \(texts.cutting) to have it cut"
      }
      throw error
    }
  }

  /// Refuses a prompt that the file does not have, or that would be passed over.
  func checkPrompt(of texts: TextList, for model: Model) throws(ServeError) {
    guard let prompt = texts.inputs.first?.prompt, case .named = prompt else { return }
    if texts.inputs.contains(where: { $0.ids != nil }) {
      throw ServeError(
        .invalidRequest, "no prompt can stand before token ids; send texts, or leave it out",
        place: texts.promptPlace)
    }
    do throws(BertError) {
      _ = try model.tokenize(TextInput("", prompt: prompt), truncates: true)
    } catch {
      throw ServeError(error, place: texts.promptPlace, isOfRequest: true)
    }
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

  /// An answer that says which model made it.
  init(_ text: AnswerText, madeBy fingerprint: String, of model: String) {
    self.init(text)
    headers = [("etag", "\"\(fingerprint)\""), ("x-bertq-model", model)]
  }

  /// What an answer says of how it was made.
  init(_ text: AnswerText, _ embeddings: Embeddings) {
    self.init(text, madeBy: embeddings.fingerprint, of: embeddings.model)
    if embeddings.cutTexts > 0 { headers.append(("x-bertq-truncated", "\(embeddings.cutTexts)")) }
  }
}
