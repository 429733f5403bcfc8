import BertErrors
import ByteFiles
import JSONText

/// Cells of an earlier run, read from its JSON.
package struct EarlierRun {
  private let path: String
  private let json: JSON
  private let cells: [JSON]

  /// Reads the output of `bert-bench --json`.
  ///
  /// - Throws: `notFound` or `malformed`; a time that is no positive number is malformed.
  package init(path: String) throws(BertError) {
    self.path = path
    json = try WholeFile(path, limit: 64 << 20).parse { (bytes) throws(BertError) in
      try JSON.parse(bytes)
    }
    guard let cells = json["cells"]?.arrayValue else {
      throw BertError(
        .malformed, "has no \"cells\"; expected the JSON of an earlier run", file: path)
    }
    for cell in cells {
      guard let time = cell["ms_median"]?.numberValue, time > 0, time.isFinite else {
        throw BertError(
          .malformed,
          "has a cell whose \"ms_median\" is \(cell["ms_median"]?.text() ?? "missing"); "
            + "expected a time above 0", file: path)
      }
    }
    self.cells = cells
  }

  /// Checks that the earlier run measured the same work as this one.
  ///
  /// - Parameter present: the JSON of this run, without its cells.
  /// - Returns: what differs besides, a sentence each.
  /// - Throws: `usage` for a model of other sizes, whose times say nothing about this one's.
  package func differences(from present: JSON) throws(BertError) -> [String] {
    func text(_ json: JSON, _ key: String) -> String { json[key]?.stringValue ?? "unknown" }
    let (old, new) = (text(json, "model"), text(present, "model"))
    var notices: [String] = []
    if let oldSizes = json["sizes"], let newSizes = present["sizes"] {
      if oldSizes != newSizes {
        throw BertError(
          .usage,
          "measured \(old) (\(oldSizes.text())), and this model is \(new) (\(newSizes.text())): "
            + "compare runs of models of the same sizes", file: path)
      }
    } else {
      notices.append("does not say which sizes of model it measured; it was \(old), this is \(new)")
    }
    if let prints = json["fingerprints"], prints != present["fingerprints"] {
      notices.append("measured other weights: those of \(old), and this is \(new)")
    }
    for key in ["kernel", "cpu"] where text(json, key) != text(present, key) {
      notices.append("measured with another \(key): \(text(json, key)), now \(text(present, key))")
    }
    return notices.map { "\(path) \($0)" }
  }

  /// The median of the same cell, in milliseconds.
  func median(_ cell: Cell) -> Double? {
    cells.first {
      $0["workload"]?.stringValue == cell.workload.kind
        && $0["precision"]?.stringValue == cell.precision.rawValue
        && $0["threads"]?.integerValue == cell.threads
        && $0["batch"]?.integerValue == cell.workload.batch
        && $0["length"]?.integerValue == cell.workload.length
        && $0["tokens"]?.integerValue == cell.workload.tokens.tokenCount
    }?["ms_median"]?.numberValue
  }
}
