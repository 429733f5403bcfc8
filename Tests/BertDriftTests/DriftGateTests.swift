import BertErrors
import Fixtures
import JSONText
import Testing

@testable import BertDrift

/// Thresholds: how they are written, and when they hold.
struct DriftGateTests {
  static let accepted: [(text: String, paths: [[String]], thresholds: [Double])] = [
    ("cosine=0.999", [["embedding", "cosine_worst"]], [0.999]),
    (
      "cosine=0.999,sqnr=28,spearman=.99",
      [["embedding", "cosine_worst"], ["hidden", "sqnr_db"], ["ranking", "spearman"]],
      [0.999, 28, 0.99]
    ),
    ("hidden.max_abs=1e-3", [["hidden", "max_abs"]], [0.001]),
    (
      "hidden.cosine_mean=0,embedding.cosine_mean=-1",
      [["hidden", "cosine_mean"], ["embedding", "cosine_mean"]], [0, -1]
    ),
  ]

  @Test(arguments: accepted.indices)
  func namesMeanNumbersOfTheReport(_ index: Int) throws {
    let (text, paths, thresholds) = Self.accepted[index]
    let gate = try DriftGate.parse(text)
    #expect(gate.requirements.map(\.path) == paths)
    #expect(gate.requirements.map(\.threshold) == thresholds)
    #expect(gate.requirements.map(\.isMinimum) == paths.map { $0[1] != "max_abs" })
  }

  @Test func everyAnnouncedNameIsTaken() throws {
    for name in DriftGate.names { _ = try DriftGate.parse(name + "=1") }
    #expect(DriftGate.names.starts(with: ["cosine", "spearman", "sqnr"]))
  }

  static let refused = [
    "", ",", "cosine", "cosine=", "cosine=high", "=1", "cosine=0.9,", "cosine=1=2", "cosine 0.9",
    "cosine=nan", "cosine=inf", "cosine=-inf", "cosine=1e999", "Cosine=1", "accuracy=1", "hidden=1",
    "hidden.sqnr=1", "hidden.sqnr_db.x=1", ".sqnr_db=1", "hidden..sqnr_db=1", "layers.sqnr_db=1",
    "texts=5", "sqnr=28;cosine=1", "cosine=0,9",
  ]

  @Test(arguments: refused)
  func othersAreAUsageErrorThatListsTheNames(_ text: String) {
    do throws(BertError) {
      _ = try DriftGate.parse(text)
      Issue.record("\(text) was accepted")
    } catch {
      #expect(error.code == .usage)
      #expect(error.message.contains("cosine, spearman, sqnr"))
    }
  }

  // MARK: Against a report

  /// A report of one layer of two vectors: SQNR 10·log₁₀(29/5), worst cosine 1/√2.
  private func report(texts: Int = 3, spearman: Double? = 0.5, _ b: [Float] = [2, 2]) -> DriftReport
  {
    var drift = VectorDrift(keepsCosines: true)
    drift.add(reference: [3, 4], other: [4, 4], width: 2)
    drift.add(reference: [2, 0], other: b, width: 2)
    return DriftReport(
      fingerprint: "f", texts: texts, tokens: 9, hidden: drift, embedding: drift,
      spearman: spearman, layers: [drift],
      settings: .init(kernels: "portable", quantizer: [("rounding", "nearest")], date: "d"))
  }

  static let gates: [(String, failures: Int)] = [
    ("cosine=0.7", 0), ("cosine=0.71", 1), ("sqnr=7.6", 0), ("sqnr=7.7", 1), ("spearman=0.5", 0),
    ("spearman=0.50001", 1), ("hidden.max_abs=2", 0), ("hidden.max_abs=1.99", 1),
    ("cosine=0.71,sqnr=7.7,spearman=1", 3), ("cosine=0.71,sqnr=1", 1),
  ]

  @Test(arguments: gates.indices)
  func failuresNameTheMetricItsValueAndTheThreshold(_ index: Int) throws {
    let (text, count) = Self.gates[index]
    let failures = try DriftGate.parse(text).failures(report())
    #expect(failures.count == count, "\(failures)")
    for failure in failures { #expect(failure.contains("required at ")) }
  }

  /// What cannot be measured must not pass.
  @Test func whatIsMissingOrNotANumberFails() throws {
    #expect(try DriftGate.parse("spearman=-1").failures(report(spearman: nil)).count == 1)
    #expect(try DriftGate.parse("spearman=-1").failures(report(spearman: .nan)).count == 1)
    let broken = report([.nan, 0])
    for name in ["cosine=-1", "sqnr=-1000", "hidden.max_abs=1e300", "hidden.cosine_mean=-1"] {
      #expect(try DriftGate.parse(name).failures(broken).count == 1, "\(name)")
    }
  }

  @Test func noDriftAtAllPasses() throws {
    var same = VectorDrift()
    same.add(reference: [1, 2], other: [1, 2], width: 2)
    let report = DriftReport(
      fingerprint: "", texts: 3, tokens: 3, hidden: same, embedding: same, spearman: 1,
      layers: [same], settings: .init(kernels: "", quantizer: [], date: ""))
    #expect(
      try DriftGate.parse("sqnr=200,cosine=1,spearman=1,hidden.max_abs=0").failures(report) == [])
    #expect(report.summary.contains("no drift"))
  }

  @Test func theReportBeginsAsItsFormatSays() throws {
    let text = report().json.text(pretty: false)
    let cosine = (28 / (5 * 32.0.squareRoot()) + 0.5.squareRoot()) / 2
    let json = try JSON.parse(Array(text.utf8))
    #expect(
      json.objectValue?.keys == [
        "fingerprint", "texts", "tokens", "hidden", "embedding", "ranking", "layers", "kernels",
        "quantizer", "date",
      ])
    for (group, first) in [
      ("hidden", ["sqnr_db", "cosine_mean", "cosine_worst", "max_abs"])
    ] {
      #expect(json[group]?.objectValue?.keys.starts(with: first) == true)
    }
    let keys = json["embedding"]?.objectValue?.keys ?? []
    #expect(keys.contains("cosine_mean") && keys.contains("cosine_worst"))
    #expect(abs((json["hidden"]?["cosine_mean"]?.numberValue ?? 0) - cosine) < 1e-12)
    #expect(json["ranking"]?.objectValue?.keys == ["spearman"])
    #expect(
      json["layers"]?.arrayValue?.first?.objectValue?.keys.starts(with: ["layer", "sqnr_db"])
        == true)
    #expect(json["quantizer"]?["rounding"]?.stringValue == "nearest")
    #expect(report(texts: 2, spearman: nil).json["ranking"]?["spearman"]?.isNull == true)
  }
}
