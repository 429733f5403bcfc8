import BertErrors
import BertModel
import BertRuntime
import JSONText

/// A drift report as one HTML page that needs nothing else: tables, and charts as SVG.
package struct DriftPage {
  private let report: DriftReport
  private let failures: [String]?

  /// A page of a report; `failures` are those of a gate, nil when there was none.
  package init(_ report: DriftReport, failures: [String]?) {
    self.report = report
    self.failures = failures
  }

  /// The page.
  package var html: String {
    """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Drift of int8 against float32</title>
    <style>\(Self.style)</style></head><body><main>
    <h1>Drift of int8 against float32</h1>
    <p class="lead">\(escape(report.settings.model)): \(report.texts) texts, \
    \(report.tokens) tokens</p>
    \(gate)\(answer)\(histogram)\(layers)\(sites)\(linears)\(measured)
    </main></body></html>

    """
  }

  private static let style = """
    :root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0;\
    background:Canvas;color:CanvasText}main{max-width:60rem;margin:0 auto;padding:1.5rem}\
    h1{margin:0 0 .2rem}h2{margin:2.2rem 0 .4rem;font-size:1.2rem}.lead{margin:0;opacity:.75}\
    table{border-collapse:collapse;margin:.5rem 0;font-variant-numeric:tabular-nums}\
    th,td{padding:.25rem .8rem .25rem 0;text-align:right;border-bottom:1px solid #8884}\
    th:first-child,td:first-child{text-align:left}th{font-weight:600}\
    .pass,.fail{padding:.5rem .8rem;border-radius:.4rem;margin:1rem 0;color:#fff}\
    .pass{background:#1b6e3c}.fail{background:#a12622}blockquote{margin:.5rem 0;padding:.2rem .8rem;\
    border-left:.25rem solid #8888}svg{max-width:100%;height:auto}svg text{fill:CanvasText;\
    font:13px system-ui,sans-serif}.bar{fill:#2f6fb5}.bar2{fill:#c77b28}.axis{stroke:#8888}
    """

  // MARK: Sections

  private var gate: String {
    guard let failures else { return "" }
    if failures.isEmpty { return "<p class=\"pass\">The gate passed.</p>" }
    let items = failures.map { "<li>\(escape($0))</li>" }.joined()
    return "<div class=\"fail\">The gate failed.<ul>\(items)</ul></div>"
  }

  private var answer: String {
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
    let quote =
      report.worstText.isEmpty
      ? ""
      : "<p>The text whose embedding drifts most:</p><blockquote>"
        + "\(escape(String(report.worstText.prefix(400))))</blockquote>"
    return "<h2>At the answer</h2>" + table(["", "", ""], rows) + quote
  }

  /// How many texts lie how far from their float32 vector.
  private var histogram: String {
    let edges = [0, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1e-1, 3]
    let names = [
      "below 0.00001", "0.00001", "0.00002", "0.00005", "0.0001", "0.0002", "0.0005", "0.001",
      "0.002", "0.005", "0.01", "0.1 or more",
    ]
    var counts = [Int](repeating: 0, count: names.count)
    for cosine in report.embedding.cosines {
      let distance = max(0, 1 - Double(cosine))
      counts[(edges.lastIndex { $0 <= distance } ?? 0).clamped(to: 0...(names.count - 1))] += 1
    }
    guard let last = counts.lastIndex(where: { $0 > 0 }) else { return "" }
    let bars = (0...last).map { (names[$0], Double(counts[$0]), "\(counts[$0])") }
    return "<h2>Texts by 1 − cosine of their embedding</h2>" + chart(bars, kind: "bar")
  }

  private var layers: String {
    let bars = report.layers.enumerated().map { index, layer in
      ("layer \(index)", layer.sqnr, DecimalText.fixed(layer.sqnr, 1) + " dB")
    }
    let rows = report.layers.enumerated().map { index, layer in
      ["\(index)"] + cells(layer)
    }
    return "<h2>Hidden states after each layer: SQNR, more is better</h2>"
      + chart(bars, kind: "bar") + table(["layer"] + Self.columns, rows)
  }

  private var sites: String {
    guard !report.sites.isEmpty else { return "" }
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
    return "<h2>What causes it: SQNR of the last hidden states</h2>"
      + chart(bars, kind: "bar", every: "bar2")
      + table(["place", "alone", "worst cosine", "all but it", "worst cosine"], rows)
  }

  private var linears: String {
    guard !report.linears.isEmpty else { return "" }
    let rows = report.linears.map { ["\($0.layer) \($0.site.name)"] + cells($0.outputs) }
    return "<h2>Each linear's own error, on float32 inputs</h2>"
      + table(["linear"] + Self.columns, rows)
  }

  private var measured: String {
    let settings = report.settings
    let rows =
      [
        ["fingerprint", settings.fingerprint], ["kernels", settings.kernels],
        ["date", settings.date],
      ] + settings.quantizer.map { [$0.key, $0.value] }
    return "<h2>What was measured</h2>" + table(["", ""], rows)
  }

  // MARK: Parts

  private static let columns = ["SQNR", "cosine, mean", "cosine, worst", "largest difference"]

  private func cells(_ drift: VectorDrift) -> [String] {
    [
      DecimalText.fixed(drift.sqnr, 2) + " dB", DecimalText.fixed(drift.cosineMean, 6),
      DecimalText.fixed(drift.cosineWorst, 6),
      DecimalText.fixed(drift.largestDifference, 5),
    ]
  }

  private func percent(_ share: Double?) -> String {
    share == nil ? "n/a" : DecimalText.fixed(share.map { $0 * 100 }, 2) + " %"
  }

  private func table(_ heads: [String], _ rows: [[String]]) -> String {
    let head = heads.map { "<th>\(escape($0))</th>" }.joined()
    let body = rows.map { row in
      "<tr>" + row.map { "<td>\(escape($0))</td>" }.joined() + "</tr>"
    }.joined(separator: "\n")
    return "<table><thead><tr>\(head)</tr></thead><tbody>\(body)</tbody></table>"
  }

  /// Horizontal bars; with `every`, each second bar is of another kind.
  private func chart(
    _ bars: [(label: String, value: Double, text: String)], kind: String, every: String? = nil
  ) -> String {
    let most = bars.map { $0.value.isFinite ? $0.value : 0 }.max() ?? 1
    let (left, width, height) = (220, 480, 24)
    var shapes = ""
    for (index, bar) in bars.enumerated() {
      let y = index * height
      let value = bar.value.isFinite ? max(0, bar.value) : most
      let length = most > 0 ? Int((value / most * Double(width)).rounded()) : 0
      let style = index % 2 == 1 ? every ?? kind : kind
      shapes += """
        <text x="\(left - 8)" y="\(y + 16)" text-anchor="end">\(escape(bar.label))</text>\
        <rect class="\(style)" x="\(left)" y="\(y + 4)" width="\(length)" height="16" rx="2"/>\
        <text x="\(left + length + 6)" y="\(y + 16)">\(escape(bar.text))</text>

        """
    }
    let total = bars.count * height
    return """
      <svg viewBox="0 0 \(left + width + 90) \(total)" width="\(left + width + 90)" role="img">
      <line class="axis" x1="\(left)" y1="0" x2="\(left)" y2="\(total)"/>
      \(shapes)</svg>
      """
  }

  private func escape(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }
}

extension Int {
  fileprivate func clamped(to range: ClosedRange<Int>) -> Int {
    Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
  }
}
