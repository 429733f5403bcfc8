import Bertq
import JSONText

/// What all routes of our own take: texts as `input`, and how they are cut.
package struct OwnRequest: Sendable {
  package var texts: TextList
  package var model: String?

  /// Reads what is common, beside a route's own options.
  package init(
    _ body: JSONBody, _ limits: TextList.Limits, _ own: [String]
  ) throws(ServeError) {
    try body.takes(only: ["truncate", "truncation_direction"] + own)
    var limits = limits
    limits.takesIDs = false
    var texts = try TextList(body, "input", limits)
    let truncates = try body.bool("truncate")
    for index in texts.inputs.indices { texts.inputs[index].truncates = truncates }
    self.texts = texts.cut(try body.truncationSide())
    model = try body.string("model")
  }

  /// Words, spans or labels that the answer to one request may hold.
  package static let mostAnswers = 1 << 15

  /// Refuses a request whose answer would hold more than that: its writing would hold up all others.
  package static func check(
    _ count: Int, each: Int, _ what: String, _ place: String
  ) throws(ServeError) {
    let (all, isHuge) = count.multipliedReportingOverflow(by: each)
    guard !isHuge, all <= mostAnswers else {
      throw ServeError(
        .invalidRequest,
        "\(what) would be \(count) times \(each); an answer may hold \(mostAnswers); send several requests",
        place: place)
    }
  }
}

/// Of `/v1/tag`.
package struct TagRequest: Sendable {
  package var own: OwnRequest
  package var aggregation: Aggregation

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    own = try OwnRequest(body, limits, ["aggregate"])
    let name = try body.choice("aggregate", Aggregation.allCases.map(\.rawValue))
    aggregation = name.flatMap(Aggregation.init) ?? .simple
  }
}

/// Of `/v1/answer`: `question` and `context`, or a list of such objects as `input`.
package struct AnswerRequest: Sendable {
  package var questions: TextList
  package var options = AnswerOptions()
  package var model: String?

  /// Answers of a question.
  package static let tops = 1...1000
  /// Tokens of an answer.
  package static let lengths = 1...512
  /// Tokens that windows share.
  package static let strides = 0...512

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    try body.takes(only: ["top", "longest", "stride", "allows_none"])
    questions = try Self.questions(body, limits)
    options.top = try body.integer("top", Self.tops) ?? options.top
    options.longest = try body.integer("longest", Self.lengths) ?? options.longest
    options.stride = try body.integer("stride", Self.strides) ?? options.stride
    options.allowsNone = try body.bool("allows_none") ?? options.allowsNone
    model = try body.string("model")
    try OwnRequest.check(questions.inputs.count, each: options.top, "answers", "top")
  }

  private static func questions(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> TextList {
    guard let value = body["input"] else {
      let question = try body.required("question")
      return TextList(
        [TextInput(question, pair: try body.required("context"))], isSingle: true, key: "context")
    }
    if let (key, _) = body.first(of: "question", "context") {
      throw ServeError(
        .invalidRequest, "'\(key)' stands beside 'input'; send one of them", place: key)
    }
    guard let list = value.arrayValue, !list.isEmpty else {
      throw JSONBody.wrong(value, "input", "a list of objects with 'question' and 'context'")
    }
    try JSONBody.count(list.count, "input", most: limits.inputs)
    var texts = TextList([], key: "input")
    var faults = ItemFaults()
    for (index, item) in list.enumerated() {
      do throws(ServeError) {
        texts.inputs.append(try Self.question(item, "input[\(index)]"))
      } catch {
        faults.note(error, at: index)
      }
    }
    try faults.check()
    return texts
  }

  private static func question(_ item: JSON, _ place: String) throws(ServeError) -> TextInput {
    guard let question = item["question"]?.stringValue, let context = item["context"]?.stringValue
    else {
      throw JSONBody.wrong(item, place, "an object with the strings 'question' and 'context'")
    }
    return TextInput(
      try JSONBody.filled(question, place + ".question"),
      pair: try JSONBody.filled(context, place + ".context"))
  }
}

/// Of `/v1/fill-mask`.
package struct FillMaskRequest: Sendable {
  package var own: OwnRequest
  package var top: Int
  package var targets: [String]?

  /// Words of a mask.
  package static let tops = 1...100

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    own = try OwnRequest(body, limits, ["top", "targets"])
    top = try body.integer("top", Self.tops) ?? 5
    targets = try body.strings("targets", most: limits.inputs, allowsEmpty: false)
    if targets?.isEmpty == true {
      throw ServeError(.invalidRequest, "targets is an empty list", place: "targets")
    }
    try check(masks: own.texts.inputs.count)
  }

  /// Words of each mask, at most.
  private var words: Int { min(top, targets?.count ?? top) }

  /// As many masks may be filled.
  package var mostMasks: Int { OwnRequest.mostAnswers / words }

  /// Refuses a request whose answer would hold too many words.
  package func check(masks: Int) throws(ServeError) {
    try OwnRequest.check(masks, each: words, "words for masks", "top")
  }
}

/// Of `/v1/zero-shot`.
package struct ZeroShotRequest: Sendable {
  package var own: OwnRequest
  package var options: ZeroShotOptions

  /// Labels of a request, at most: each is computed with every text.
  package static let mostLabels = 256

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    guard let labels = try body.strings("labels", most: Self.mostLabels, allowsEmpty: false) else {
      throw body.missing("labels")
    }
    if labels.isEmpty {
      throw ServeError(.invalidRequest, "labels is an empty list", place: "labels")
    }
    own = try OwnRequest(body, limits, ["hypothesis", "multi"])
    options = ZeroShotOptions(labels: labels, multi: try body.bool("multi") ?? false)
    options.hypothesis = try body.string("hypothesis") ?? options.hypothesis
    if !options.hypothesis.contains("{}") {
      throw ServeError(
        .invalidRequest,
        "hypothesis is '\(options.hypothesis.prefix(80))'; expected a text with {} for the label",
        place: "hypothesis")
    }
    try OwnRequest.check(own.texts.inputs.count, each: labels.count, "labels", "labels")
    try checkSize()
  }

  /// Bytes of all that is asked of a text, at most: a hypothesis is asked of each label.
  private static let mostBytes = 1 << 20

  private func checkSize() throws(ServeError) {
    let places = options.hypothesis.ranges(of: "{}").count
    var bytes = 0
    for label in options.labels {
      bytes += options.hypothesis.utf8.count + label.utf8.count * places
      guard bytes <= Self.mostBytes else {
        throw ServeError(
          .invalidRequest,
          "hypothesis and labels make more than \(Self.mostBytes) bytes together; shorten them",
          place: "hypothesis")
      }
    }
  }

  /// What is asked of each label.
  package var hypotheses: [String] {
    options.labels.map { options.hypothesis.replacing("{}", with: $0) }
  }
}
