import BertErrors
import Fixtures
import JSONText
import SystemLibrary
import Testing

@testable import BertDrift

/// Thresholds: how they are written, and when they hold.
struct DriftGateTests {
  private func parse(_ list: String) throws(BertError) -> DriftGate {
    var gate = DriftGate()
    try gate.add(ThresholdText.read(list: list))
    return gate
  }

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
    let gate = try parse(text)
    #expect(gate.requirements.map(\.path) == paths)
    #expect(gate.requirements.map(\.threshold) == thresholds)
    #expect(gate.requirements.map(\.isMinimum) == paths.map { $0[1] != "max_abs" })
  }

  @Test func everyAnnouncedNameIsTaken() throws {
    for name in DriftGate.names { _ = try parse(name + "=1") }
    #expect(Set(DriftGate.names).isSuperset(of: ["cosine", "spearman", "sqnr", "hidden.sqnr_db"]))
  }

  static let refused = [
    "", ",", "cosine", "cosine=", "cosine=high", "=1", "cosine=0.9,", "cosine=1=2", "cosine 0.9",
    "cosine=nan", "cosine=inf", "cosine=-inf", "cosine=1e999", "Cosine=1", "accuracy=1", "hidden=1",
    "hidden.sqnr=1", "hidden.sqnr_db.x=1", ".sqnr_db=1", "hidden..sqnr_db=1", "layers.sqnr_db=1",
    "texts=5", "sqnr=28;cosine=1", "cosine=0,9", "cosine=2", "top1=1.5", "flips=-1",
  ]

  @Test(arguments: refused)
  func othersAreAUsageError(_ text: String) {
    do throws(BertError) {
      _ = try parse(text)
      Issue.record("\(text) was accepted")
    } catch {
      #expect(error.code == .usage)
    }
  }

  // MARK: Gates from files

  @Test func filesSayTheSameAsLists() throws {
    let expected = try parse("cosine=0.999,hidden.sqnr_db=28,head.flips=0.01").requirements
    for json in [
      #"{"cosine": 0.999, "hidden": {"sqnr_db": 28}, "head": {"flips": 1e-2}}"#,
      #"{"cosine": 0.999, "hidden.sqnr_db": 28, "head.flips": 0.01}"#,
    ] {
      var gate = DriftGate()
      try gate.add(ThresholdText.read(json: Array(json.utf8)))
      #expect(gate.requirements.map(\.path) == expected.map(\.path))
      #expect(gate.requirements.map(\.threshold) == expected.map(\.threshold))
    }
    for toml in [
      "cosine = 0.999 # why\n\n[hidden]\nsqnr_db = 28\n[ head ]\r\nflips=0.01",
      "# all\n\"cosine\" = 0.99_9\nhidden.sqnr_db = 28.0\nhead.flips = 1e-2\n",
    ] {
      var gate = DriftGate()
      try gate.add(ThresholdText.read(toml: Array(toml.utf8)))
      #expect(gate.requirements.map(\.path) == expected.map(\.path))
      #expect(gate.requirements.map(\.threshold) == expected.map(\.threshold))
    }
  }

  @Test(arguments: [
    "[]", "{", "{\"cosine\": \"high\"}", "{\"accuracy\": 1}", "{\"hidden\": {\"cosine\": 1}}",
    "{\"cosine\": null}", "{\"hidden\": {\"sqnr_db\": {}}}",
  ])
  func badJSONGatesAreRefused(_ text: String) {
    var gate = DriftGate()
    #expect(throws: BertError.self) { try gate.add(ThresholdText.read(json: Array(text.utf8))) }
  }

  @Test(arguments: [
    "cosine", "cosine = ", "cosine = high", "= 1", "[hidden", "[nowhere]\ncosine = 1",
    "cosine = 1 = 2", "sqnr = 3 3", "[hid den]\nsqnr_db = 1", "sqnr = 1 0 0", "sqnr = 1__0_",
    "sqnr = 0x1p3", "co sine = 1", "cosine = \"0.9\"", "cosine = [1]", "accuracy = 1",
    "cosine = nan",
    // As Python's tomllib: no key and no table twice.
    "cosine = 1\ncosine = 1", "[hidden]\nsqnr_db = 32\n[hidden]\nsqnr_db = 1",
    "[hidden]\nsqnr_db = 32\nsqnr_db = 1", "[hidden]\nsqnr_db = 32\n[head]\nflips = 1\n[hidden]",
    "hidden.sqnr_db = 32\n[hidden]", "hidden.sqnr_db = 32\nhidden.sqnr_db = 1",
    "cosine = 1\n\"cosine\" = 1",
  ])
  func badTOMLGatesAreRefused(_ text: String) {
    var gate = DriftGate()
    #expect(throws: BertError.self) { try gate.add(ThresholdText.read(toml: Array(text.utf8))) }
  }

  // MARK: Against a report

  /// A report of one layer of two vectors: SQNR 10·log₁₀(29/5), worst cosine 1/√2.
  private func report(texts: Int = 3, spearman: Double? = 0.5, _ b: [Float] = [2, 2]) -> DriftReport
  {
    var drift = VectorDrift(keepsCosines: true)
    drift.add(reference: [3, 4], other: [4, 4], width: 2)
    drift.add(reference: [2, 0], other: b, width: 2)
    return makeReport(drift, texts: texts, spearman: spearman)
  }

  private func makeReport(
    _ drift: VectorDrift, texts: Int = 3, spearman: Double? = 1
  ) -> DriftReport {
    // Texts at angles whose similarities rank alike, or with two of three changed round.
    func vectors(_ degrees: Double...) -> [[Float]] {
      degrees.prefix(spearman == nil ? 2 : 3).map {
        [Float(cos($0 * .pi / 180)), Float(sin($0 * .pi / 180))]
      }
    }
    let ranking = RankingDrift(
      reference: vectors(0, 10, 30),
      other: spearman == 0.5 ? vectors(0, 20, 30) : vectors(0, 10, 30))
    return DriftReport(
      texts: texts, tokens: 9, hidden: drift, embedding: drift, worstText: "", head: nil,
      ranking: ranking, parity: nil, layers: [drift], linears: [], sites: [], settings: noSettings)
  }

  static let gates: [(String, failures: Int)] = [
    ("cosine=0.7", 0), ("cosine=0.71", 1), ("sqnr=7.6", 0), ("sqnr=7.7", 1), ("spearman=0.5", 0),
    ("spearman=0.50001", 1), ("hidden.max_abs=2", 0), ("hidden.max_abs=1.99", 1),
    ("cosine=0.71,sqnr=7.7,spearman=1", 3), ("cosine=0.71,sqnr=1", 1),
  ]

  @Test(arguments: gates.indices)
  func failuresNameTheMetricItsValueAndTheThreshold(_ index: Int) throws {
    let (text, count) = Self.gates[index]
    let failures = try parse(text).verdict(report()).failures
    #expect(failures.count == count, "\(failures)")
    for failure in failures { #expect(failure.contains("required at ")) }
  }

  /// What cannot be measured must not pass.
  @Test func whatIsMissingOrNotANumberFails() throws {
    #expect(try parse("spearman=-1").verdict(report(spearman: nil)).failures.count == 1)
    let broken = report([.nan, 0])
    for name in ["cosine=-1", "sqnr=-1000", "hidden.max_abs=1e300", "hidden.cosine_mean=-1"] {
      #expect(try parse(name).verdict(broken).failures.count == 1, "\(name)")
    }
  }

  @Test func noDriftAtAllPasses() throws {
    var same = VectorDrift()
    same.add(reference: [1, 2], other: [1, 2], width: 2)
    let report = makeReport(same)
    #expect(
      try parse("sqnr=200,cosine=1,spearman=1,hidden.max_abs=0").verdict(report).failures == [])
    #expect(report.summary.contains("∞"))
  }

  @Test func theReportBeginsAsItsFormatSays() throws {
    let text = report().json.text(pretty: false)
    let cosine = (28 / (5 * 32.0.squareRoot()) + 0.5.squareRoot()) / 2
    let json = try JSON.parse(Array(text.utf8))
    #expect(
      json.objectValue?.keys == [
        "fingerprint", "texts", "tokens", "hidden", "embedding", "ranking", "head", "layers",
        "linears", "sites", "model", "kernels", "quantizer", "date", "parity_float",
        "parity_int8", "reference", "verdict", "report_version",
      ])
    for (group, first) in [
      ("hidden", ["sqnr_db", "cosine_mean", "cosine_worst", "max_abs"])
    ] {
      #expect(json[group]?.objectValue?.keys.starts(with: first) == true)
    }
    let keys = json["embedding"]?.objectValue?.keys ?? []
    #expect(keys.contains("cosine_mean") && keys.contains("cosine_worst"))
    #expect(abs((json["hidden"]?["cosine_mean"]?.numberValue ?? 0) - cosine) < 1e-12)
    #expect(json["ranking"]?.objectValue?.keys.first == "spearman")
    #expect(
      json["layers"]?.arrayValue?.first?.objectValue?.keys.starts(with: ["layer", "sqnr_db"])
        == true)
    #expect(json["quantizer"]?["rounding"]?.stringValue == "nearest")
    #expect(report(texts: 2, spearman: nil).json["ranking"]?["spearman"]?.isNull == true)
  }

  // MARK: What people are shown

  /// Every form of a report says what was asked, what was measured, and how much room is left.
  @Test(arguments: [("cosine=0.7,sqnr=7.7", false), ("cosine=0.7,sqnr=7.5", true)])
  func everyFormShowsVerdictThresholdsAndMargins(_ text: String, _ passes: Bool) throws {
    let report = report()
    let verdict = try parse(text).verdict(report)
    #expect(verdict.passes == passes)
    let forms = [
      DriftPage(report, verdict: verdict).html, DriftMarkdown(report, verdict: verdict).text,
      report.summary(verdict: verdict),
    ]
    // The worst cosine is 0.7071068, SQNR 7.634 dB.
    let words = ["0.707107", "at least 0.7", "+0.007107", "7.63", passes ? "+0.13" : "-0.07"]
    for form in forms {
      #expect(form.contains(verdict.sentence))
      #expect(form.contains("SQNR is the signal's energy") || form.contains("SQNR is the signal"))
      for word in words { #expect(form.contains(word), "'\(word)' in \(form)") }
    }
    let json = report.json(verdict: verdict)["verdict"]
    #expect(json?["passes"]?.boolValue == passes)
    let checks = json?["checks"]?.arrayValue ?? []
    #expect(
      checks.map { $0["metric"]?.stringValue } == ["embedding.cosine_worst", "hidden.sqnr_db"])
    #expect(checks[0]["margin"]?.numberValue == 0.00710678)
    #expect(report.json["verdict"]?.isNull == true)
  }

  /// A missed threshold must not look like the number that missed it.
  @Test func roundingHidesNoMiss() throws {
    let failures = try parse("cosine=0.70710679").verdict(report()).failures
    #expect(failures.count == 1 && failures[0].contains("0.7071067"), "\(failures)")
    #expect(!failures[0].hasPrefix("cosine is 0.707107;"))
  }

  @Test func quotedTextsMeanNothingToMarkdownOrHTML() throws {
    var drift = VectorDrift()
    drift.add(reference: [1, 2], other: [1, 2], width: 2)
    let report = DriftReport(
      texts: 1, tokens: 9, hidden: drift, embedding: drift,
      worstText: "a | b\n# c <script> *d*", head: nil,
      ranking: RankingDrift(reference: [], other: []), parity: nil, layers: [drift], linears: [],
      sites: [], settings: noSettings)
    let text = DriftMarkdown(report, verdict: nil).text
    #expect(text.contains("> a \\| b \\# c &lt;script&gt; \\*d\\*"))
    #expect(!DriftPage(report, verdict: nil).html.contains("<script>"))
    #expect(text.contains("1 text, 9 tokens"))
  }
}
