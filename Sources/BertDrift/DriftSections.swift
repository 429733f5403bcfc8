import BertErrors

/// A part of a report for people, before it is a page's or a text's.
struct DriftSection {
  /// Horizontal bars.
  struct Chart {
    var bars: [(label: String, value: Double, text: String)]
    /// Whether each second bar is of another kind.
    var alternates = false
  }

  var title: String
  /// What the numbers are, a line each.
  var notes: [String] = []
  var chart: Chart?
  /// The heads of the columns.
  var heads: [String] = []
  var rows: [[String]] = []
  /// A line above `quote`.
  var quoteTitle = ""
  /// A text that was measured.
  var quote = ""
  /// Whether it is long, and read by few.
  var isDetail = false
}

/// The parts of a report, in the order in which they are read.
struct DriftSections {
  let report: DriftReport
  let verdict: DriftVerdict?

  var all: [DriftSection] {
    [gate, answer, parity, histogram, layers, sites, linears, measured].compactMap { $0 }
  }

  /// What was compared, in a line.
  var lead: String {
    "\(report.settings.model): \(counted(report.texts, "text")), \(counted(report.tokens, "token"))"
  }

  /// What SQNR is, and which values are fine: on all-MiniLM-L6-v2 and 400 sentences 33.7 dB went with a worst cosine of
  /// 0.9996 and 98 % of nearest texts kept.
  static let explanation = [
    "SQNR is the signal's energy over that of the error int8 adds, in decibels: at 20 dB the error is a "
      + "tenth of the signal, at 30 dB a thirtieth, at 40 dB a hundredth.",
    "For embeddings 30 dB and a worst cosine of 0.999 are fine: nearly all texts keep their nearest "
      + "neighbour. Below 20 dB, or 0.99, look for the layer that causes it. A head's own numbers count more.",
  ]

  private var gate: DriftSection? {
    guard let verdict else { return nil }
    return DriftSection(
      title: "Thresholds", heads: ["", "measured", "required", "margin", ""],
      rows: verdict.checks.map { check in
        [
          check.requirement.name, check.valueText, check.demand, check.marginText,
          check.passes ? "kept" : "missed",
        ]
      })
  }

  private var answer: DriftSection {
    let ranking = report.ranking
    var rows = [
      ["embeddings", "cosine, mean", DecimalText.fixed(report.embedding.cosineMean, 6)],
      ["", "cosine, 1 in 100 below", DecimalText.fixed(report.embedding.cosineFirstPercentile, 6)],
      ["", "cosine, worst", DecimalText.fixed(report.embedding.cosineWorst, 6)],
      ["last hidden states", "SQNR", DecimalText.fixed(report.hidden.sqnr, 2) + " dB"],
      ["", "cosine, mean", DecimalText.fixed(report.hidden.cosineMean, 6)],
      ["", "cosine, worst", DecimalText.fixed(report.hidden.cosineWorst, 6)],
      ["", "largest difference", DecimalText.fixed(report.hidden.largestDifference, 5)],
      ["ranking", "Spearman of pairwise similarities", DecimalText.fixed(ranking.spearman, 6)],
      ["", "nearest text the same", percent(ranking.top1)],
      ["", "ten nearest texts shared", percent(ranking.top10)],
    ]
    if let head = report.head {
      rows += head.measures.enumerated().map { index, measure in
        [index == 0 ? "\(head.head.rawValue) head" : "", measure.name, measure.value]
      }
    }
    return DriftSection(
      title: "At the answer", notes: Self.explanation, heads: ["", "", ""], rows: rows,
      quoteTitle: report.worstText.isEmpty ? "" : "The text whose embedding drifts most:",
      quote: String(report.worstText.prefix(400)))
  }

  private var parity: DriftSection? {
    guard let parity = report.parity else { return nil }
    return DriftSection(
      title: "Beside the reference's vectors",
      notes: [
        "\(parity.source): what another program computed for the same texts. float32 differs by rounding "
          + "alone where the model was imported as it is meant: a cosine of 0.99999 and more."
      ], heads: ["path"] + Self.columns,
      rows: [["float32"] + cells(parity.float), ["int8"] + cells(parity.int8)])
  }

  /// How many texts lie how far from their float32 vector.
  private var histogram: DriftSection? {
    let edges = [0, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1e-1, 3]
    let names = [
      "below 0.00001", "0.00001 to 0.00002", "0.00002 to 0.00005", "0.00005 to 0.0001",
      "0.0001 to 0.0002", "0.0002 to 0.0005", "0.0005 to 0.001", "0.001 to 0.002",
      "0.002 to 0.005", "0.005 to 0.01", "0.01 to 0.1", "0.1 or more",
    ]
    var counts = [Int](repeating: 0, count: names.count)
    for cosine in report.embedding.cosines {
      let distance = max(0, 1 - Double(cosine))
      counts[min(edges.lastIndex { $0 <= distance } ?? 0, names.count - 1)] += 1
    }
    guard let last = counts.lastIndex(where: { $0 > 0 }) else { return nil }
    let bars = (0...last).map { (names[$0], Double(counts[$0]), "\(counts[$0])") }
    return DriftSection(
      title: "Texts by 1 - cosine of their two embeddings", chart: .init(bars: bars),
      heads: ["1 - cosine", "texts"], rows: bars.map { [$0.0, $0.2] })
  }

  private var layers: DriftSection {
    let bars = report.layers.enumerated().map { index, layer in
      ("layer \(index)", layer.sqnr, DecimalText.fixed(layer.sqnr, 1) + " dB")
    }
    return DriftSection(
      title: "Hidden states after each layer: SQNR, more is better", chart: .init(bars: bars),
      heads: ["layer"] + Self.columns,
      rows: report.layers.enumerated().map { index, layer in ["\(index)"] + cells(layer) })
  }

  private var sites: DriftSection? {
    if report.sites.isEmpty { return nil }
    let bars = report.sites.flatMap { site in
      [
        ("\(site.site.name) alone", site.alone.sqnr, DecimalText.fixed(site.alone.sqnr, 1) + " dB"),
        ("all but it", site.without.sqnr, DecimalText.fixed(site.without.sqnr, 1) + " dB"),
      ]
    }
    let rows = report.sites.map { site in
      [
        site.site.name, DecimalText.fixed(site.alone.sqnr, 2) + " dB",
        DecimalText.fixed(site.alone.cosineWorst, 6),
        DecimalText.fixed(site.without.sqnr, 2) + " dB",
        DecimalText.fixed(site.without.cosineWorst, 6),
      ]
    }
    return DriftSection(
      title: "What causes it: SQNR of the last hidden states",
      chart: .init(bars: bars, alternates: true),
      heads: ["place", "alone", "worst cosine", "all but it", "worst cosine"], rows: rows)
  }

  private var linears: DriftSection? {
    if report.linears.isEmpty { return nil }
    return DriftSection(
      title: "Each linear's own error, on float32 inputs", heads: ["linear"] + Self.columns,
      rows: report.linears.map { ["\($0.layer) \($0.site.name)"] + cells($0.outputs) },
      isDetail: true)
  }

  private var measured: DriftSection {
    let settings = report.settings
    return DriftSection(
      title: "What was measured", heads: ["", ""],
      rows: [
        ["fingerprint", settings.fingerprint], ["kernels", settings.kernels],
        ["date", settings.date],
      ] + settings.quantizer.map { [$0.key, $0.value] }, isDetail: true)
  }

  private static let columns = ["SQNR", "cosine, mean", "cosine, worst", "largest difference"]

  private func cells(_ drift: VectorDrift) -> [String] {
    [
      DecimalText.fixed(drift.sqnr, 2) + " dB", DecimalText.fixed(drift.cosineMean, 6),
      DecimalText.fixed(drift.cosineWorst, 6),
      DecimalText.fixed(drift.largestDifference, 5),
    ]
  }
}

/// A share as a percentage; `n/a` where it was not measured.
func percent(_ share: Double?) -> String {
  share.map { DecimalText.fixed($0 * 100, 2) + " %" } ?? "n/a"
}

/// `1 text`, `2 texts`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
