import Bertq
import JSONText

/// What a caller says of one task, as a JSON object.
struct AnswerSettings {
  private(set) var top: Int?
  private(set) var targets: [String]?
  private(set) var choices: [String] = []
  private(set) var aggregation = Aggregation.simple
  private(set) var answering = AnswerOptions()
  private(set) var zeroShot = ZeroShotOptions(labels: [])

  private static let names: [AnswerTask: Set<String>] = [
    .tag: ["aggregate"], .answer: ["top", "longest", "stride", "window", "no_answer"],
    .fillMask: ["top", "targets"], .zeroShot: ["labels", "hypothesis", "multi"],
    .choose: ["choices"],
  ]

  /// - Throws: `usage` for members that the task does not have, or that are of another kind.
  init(_ text: String?, for task: AnswerTask) throws(BertError) {
    let text = text ?? "{}"
    let json: JSON
    do throws(BertError) { json = try JSON.parse(Array(text.utf8)) } catch {
      throw BertError(.usage, "the settings are no JSON: \(error)")
    }
    guard let object = json.objectValue else {
      throw BertError(.usage, "the settings are no JSON object")
    }
    let known = Self.names[task, default: []]
    for (name, value) in object where !value.isNull {
      guard known.contains(name) else {
        let names = known.isEmpty ? "none" : known.sorted().joined(separator: ", ")
        throw BertError(
          .usage, "the task '\(task.rawValue)' has no setting '\(name)'; it has \(names)")
      }
      try set(name, value)
    }
    if task == .choose, choices.isEmpty {
      throw BertError(.usage, "there are no choices: 'choices' lists them")
    }
  }

  private mutating func set(_ name: String, _ value: JSON) throws(BertError) {
    switch name {
    case "top":
      let count = try Self.integer(name, value, least: 1)
      (top, answering.top) = (count, count)
    case "longest": answering.longest = try Self.integer(name, value, least: 1)
    case "stride": answering.stride = try Self.integer(name, value, least: 0)
    case "window": answering.window = try Self.integer(name, value, least: 1)
    case "no_answer": answering.allowsNone = try Self.flag(name, value)
    case "targets": targets = try Self.strings(name, value)
    case "choices": choices = try Self.strings(name, value)
    case "labels": zeroShot.labels = try Self.strings(name, value)
    case "multi": zeroShot.multi = try Self.flag(name, value)
    case "hypothesis": zeroShot.hypothesis = try Self.string(name, value)
    default: aggregation = try choice(Self.string(name, value), "aggregate")
    }
  }

  private static func integer(
    _ name: String, _ value: JSON, least: Int
  ) throws(BertError) -> Int {
    guard let number = value.integerValue, number >= least else {
      throw BertError(.usage, "'\(name)' must be an integer of at least \(least)")
    }
    return number
  }

  private static func flag(_ name: String, _ value: JSON) throws(BertError) -> Bool {
    guard let flag = value.boolValue else {
      throw BertError(.usage, "'\(name)' must be true or false")
    }
    return flag
  }

  private static func string(_ name: String, _ value: JSON) throws(BertError) -> String {
    guard let string = value.stringValue else {
      throw BertError(.usage, "'\(name)' must be a string")
    }
    return string
  }

  private static func strings(_ name: String, _ value: JSON) throws(BertError) -> [String] {
    let strings = value.arrayValue?.map(\.stringValue)
    guard let strings, !strings.contains(nil) else {
      throw BertError(.usage, "'\(name)' must be an array of strings")
    }
    return strings.compactMap { $0 }
  }
}
