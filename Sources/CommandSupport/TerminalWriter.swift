import BertErrors
import SystemLibrary

/// Shows results to a person.
///
/// Of vectors it shows how alike the texts are, which numbers do not tell: all of them where they are few, each beside the nearest
/// before it where somebody types them, and how each vector begins where they are many.
final class TerminalWriter {
  private let isTyped: Bool
  private var kept: [(label: String, vector: [Float])] = []
  private var isLong = false

  /// So many texts are compared with each other.
  private static let compared = 12
  /// So many letters of a text are shown.
  private static let shown = 60

  /// - Parameter isTyped: whether somebody types the texts.
  init(isTyped: Bool) { self.isTyped = isTyped }

  func write<Task: RecordTask>(
    _ record: AnsweredRecord, _ question: Task.Question?,
    _ result: Result<Task.Answer, BertError>, of task: Task
  ) {
    let label = Self.short(record.label.isEmpty ? "text \(record.index + 1)" : record.label)
    switch result {
    case .failure(let error):
      print("\(label)\n  \(error.code.name): \(error.message)")
    case .success(let answer):
      if task.rowWidth != nil && !task.hasManyRows {
        show(label, task.rows(answer))
      } else if let text = question.flatMap({ task.readable($0, answer) }) {
        print(text)
      } else {
        var line: [UInt8] = []
        task.write(answer, into: &line)
        print("\(label)\n  \(String(decoding: line.dropFirst(), as: UTF8.self))")
      }
    }
    fflush(nil)
  }

  private func show(_ label: String, _ vector: [Float]) {
    if isTyped { return showNearest(label, vector) }
    kept.append((label, vector))
    guard kept.count > Self.compared || isLong else { return }
    isLong = true
    for (label, vector) in kept { print("\(Self.begin(of: vector))  \(label)") }
    kept = []
  }

  private func showNearest(_ label: String, _ vector: [Float]) {
    let ranked = kept.map { (Self.similarity($0.vector, vector), $0.label) }
      .sorted { $0.0 > $1.0 }
    if ranked.isEmpty { print("  \(Self.begin(of: vector)); type another text to compare") }
    for (similarity, other) in ranked.prefix(3) {
      print("  \(DecimalText.fixed(similarity, 3))  \(other)")
    }
    if !kept.contains(where: { $0.label == label }) { kept.append((label, vector)) }
    if kept.count > 1000 { kept.removeFirst() }
  }

  /// Shows what waited for others.
  func finish() {
    if isTyped || kept.isEmpty { return }
    guard kept.count > 1 else {
      for (label, vector) in kept { print("\(Self.begin(of: vector))  \(label)") }
      return
    }
    print("How alike the texts are: the cosine of their vectors, 1 for the same direction.\n")
    for (row, (label, vector)) in kept.enumerated() {
      let cells = kept.map { Self.pad(DecimalText.fixed(Self.similarity(vector, $0.vector), 2), 6) }
      print("\(Self.pad("\(row + 1)", 3))\(cells.joined())   \(label)")
    }
    print("   " + kept.indices.map { Self.pad("\($0 + 1)", 6) }.joined())
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  private static func short(_ text: String) -> String {
    text.count <= shown ? text : text.prefix(shown - 1) + "…"
  }

  private static func begin(of vector: [Float]) -> String {
    let numbers = vector.prefix(4).map { DecimalText.fixed(Double($0), 4) }
    return
      "\(vector.count) numbers: \(numbers.joined(separator: " "))\(vector.count > 4 ? " …" : "")"
  }

  private static func similarity(_ a: [Float], _ b: [Float]) -> Double {
    func dot(_ a: [Float], _ b: [Float]) -> Double {
      zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    let length = (dot(a, a) * dot(b, b)).squareRoot()
    return length > 0 ? dot(a, b) / length : 0
  }
}
