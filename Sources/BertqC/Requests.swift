import Bertq
import CBertq
import JSONText

/// What a call asks: its texts as tokens, and how they are to be answered.
struct TokenizedCall {
  /// What could be tokenized, and which text each is.
  private(set) var inputs: [TokenizedInput] = []
  private(set) var places: [Int] = []
  /// What could not.
  private(set) var failures: [(text: Int, error: BertError)] = []
  private(set) var options = RequestOptions()
  let count: Int

  /// Tokenizes; writes into the request what that gave.
  ///
  /// - Parameters:
  ///   - stopsAtFailure: leaves out what stands behind the first text that cannot be answered.
  ///   - hasDefaultPrompt: whether the file's default prompt stands before texts without another.
  init(
    _ model: Model, _ input: UnsafePointer<bertq_input>?,
    _ request: UnsafeMutablePointer<bertq_request>?, stopsAtFailure: Bool, hasDefaultPrompt: Bool
  ) throws(BertError) {
    let given = try read(request.map { UnsafePointer($0) }, bertq_request())
    options = try RequestOptions(given)
    let truncates = try flag(given.truncates, "truncates")
    let prompt = try TextPrompt(given, of: model) ?? (hasDefaultPrompt ? nil : .text(""))
    let inputs = try Inputs(input)
    count = inputs.count
    var (tokens, cut): (UInt64, UInt64) = (0, 0)
    self.inputs.reserveCapacity(count)
    places.reserveCapacity(count)
    for index in 0..<count {
      do throws(BertError) {
        var input = inputs[index]
        if input.ids == nil { input.prompt = prompt }
        let made = try model.tokenize(
          input, truncates: truncates, defaultPrompt: hasDefaultPrompt)
        tokens += UInt64(made.ids.count)
        if made.cut > 0 { cut += 1 }
        self.inputs.append(made)
        places.append(index)
      } catch {
        failures.append((index, error))
        if stopsAtFailure { break }
      }
    }
    Self.note(tokens, cut, in: request)
  }

  /// Writes counts where the caller's struct has room for them.
  private static func note(
    _ tokens: UInt64, _ cut: UInt64, in request: UnsafeMutablePointer<bertq_request>?
  ) {
    guard let request, request.pointee.size >= MemoryLayout<bertq_request>.size else { return }
    request.pointee.tokens = tokens
    request.pointee.cut_texts = cut
  }

  /// Each answer goes to its text; those that there are not come with their errors, in order.
  mutating func deliver<Answer>(
    _ results: [Result<Answer, BertError>], _ body: (Int, Answer) -> Void
  ) {
    for (place, result) in zip(places, results) {
      switch result {
      case .success(let answer): body(place, answer)
      case .failure(let error): failures.append((place, error))
      }
    }
    failures.sort { $0.text < $1.text }
  }
}

extension RequestOptions {
  /// What a caller wants.
  ///
  /// - Throws: `usage` for values that mean nothing.
  init(_ given: bertq_request) throws(BertError) {
    self.init()
    switch given.priority {
    case 0: priority = .automatic
    case 1: priority = .interactive
    case 2: priority = .bulk
    default: throw BertError(.usage, "a priority of \(given.priority); expected 0, 1 or 2")
    }
    if given.seconds != 0 {
      // No sooner than now, no later than 30 years: a duration of any number of seconds would overflow.
      guard given.seconds > 0, given.seconds < 1e9 else {
        throw BertError(.usage, "\(given.seconds) seconds; expected more than 0, below 1e9")
      }
      deadline = .now + .nanoseconds(Int64(given.seconds * 1e9))
    }
    cancellation = BertqC.cancellation(given.cancellation)
  }
}

extension TextPrompt {
  /// The prompt that a caller gives; nil for none.
  ///
  /// - Throws: `usage` for two, and for a name that none of the file's has: no text is at fault.
  init?(_ given: bertq_request, of model: Model) throws(BertError) {
    let words = try BertqC.text(given.prompt, "the prompt")
    switch (words, try BertqC.text(given.prompt_name, "the prompt's name")) {
    case (nil, nil): return nil
    case (let words?, nil): self = .text(words)
    case (nil, let name?):
      let names = model.served.description.prompts.map(\.name)
      guard names.contains(name) else {
        let has = names.isEmpty ? "none" : names.map { "'\($0)'" }.joined(separator: ", ")
        throw BertError(.usage, "the file has no prompt '\(name.prefix(80))'; it has \(has)")
      }
      self = .named(name)
    default: throw BertError(.usage, "a prompt's words and its name exclude each other")
    }
  }
}

/// A JSON Lines object for each text without an answer.
func failureLines(_ failures: [(text: Int, error: BertError)]) -> [UInt8] {
  var bytes: [UInt8] = []
  for failure in failures {
    var error: [(String, JSON)] = [
      ("code", .string(failure.error.code.name)), ("message", .string(failure.error.description)),
    ]
    if let remedy = failure.error.remedy { error.append(("remedy", .string(remedy.name))) }
    let line: JSON = ["index": .integer(failure.text), "error": .object(JSONObject(error))]
    line.write(into: &bytes)
    bytes.append(0x0A)
  }
  return bytes
}
