import Bertq
import JSONText

/// What all routes of our own take: texts as `input`, and how they are cut.
package struct OwnRequest: Sendable {
  package var texts: TextList
  package var model: String?

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    var limits = limits
    limits.takesIDs = false
    var texts = try TextList(body, "input", limits)
    let truncates = try body.bool("truncate")
    for index in texts.inputs.indices { texts.inputs[index].truncates = truncates }
    self.texts = texts.cut(try body.truncationSide())
    model = try body.string("model")
  }
}

/// Of `/v1/tag`.
package struct TagRequest: Sendable {
  package var own: OwnRequest
  package var aggregation: Aggregation

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    let name = try body.choice("aggregate", Aggregation.allCases.map(\.rawValue))
    aggregation = name.flatMap(Aggregation.init) ?? .simple
    own = try OwnRequest(body, limits)
  }
}

/// Of `/v1/answer`: `question` and `context`, or a list of such objects as `input`.
package struct AnswerRequest: Sendable {
  package var questions: TextList
  package var options = AnswerOptions()
  package var model: String?

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    questions = try Self.questions(body, limits)
    options.top = try body.integer("top", least: 1) ?? options.top
    options.longest = try body.integer("longest", least: 1) ?? options.longest
    options.stride = try body.integer("stride", least: 0) ?? options.stride
    options.allowsNone = try body.bool("allows_none") ?? options.allowsNone
    model = try body.string("model")
  }

  private static func questions(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> TextList {
    guard let value = body["input"] else {
      let question = try body.required("question")
      return TextList(
        [TextInput(question, pair: try body.required("context"))], isSingle: true, key: "context")
    }
    guard let list = value.arrayValue, !list.isEmpty else {
      throw JSONBody.wrong(value, "input", "a list of objects with 'question' and 'context'")
    }
    try JSONBody.count(list.count, "input", most: limits.inputs)
    var texts = TextList([], key: "input")
    for (index, item) in list.enumerated() {
      guard let question = item["question"]?.stringValue, let context = item["context"]?.stringValue
      else {
        throw JSONBody.wrong(
          item, "input[\(index)]", "an object with the strings 'question' and 'context'")
      }
      texts.inputs.append(TextInput(question, pair: context))
    }
    return texts
  }
}

/// Of `/v1/fill-mask`.
package struct FillMaskRequest: Sendable {
  package var own: OwnRequest
  package var top: Int
  package var targets: [String]?

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    top = try body.integer("top", least: 1) ?? 5
    targets = try body.strings("targets", most: limits.inputs)
    own = try OwnRequest(body, limits)
  }
}

/// Of `/v1/zero-shot`.
package struct ZeroShotRequest: Sendable {
  package var own: OwnRequest
  package var options: ZeroShotOptions

  /// Labels of a request, at most: each is computed with every text.
  private static let mostLabels = 256

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    guard let labels = try body.strings("labels", most: Self.mostLabels) else {
      throw JSONBody.missing("labels")
    }
    options = ZeroShotOptions(labels: labels, multi: try body.bool("multi") ?? false)
    options.hypothesis = try body.string("hypothesis") ?? options.hypothesis
    own = try OwnRequest(body, limits)
  }
}
