/// A drift report as one HTML page that needs nothing else: tables, and charts as SVG.
package struct DriftPage {
  private let sections: DriftSections

  /// A page of a report; `verdict` is that of a gate, nil when there was none.
  package init(_ report: DriftReport, verdict: DriftVerdict?) {
    sections = DriftSections(report: report, verdict: verdict)
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
    <p class="lead">\(escape(sections.lead))</p>
    \(verdict)\(sections.all.map(section).joined(separator: "\n"))
    </main></body></html>

    """
  }

  private static let style = """
    :root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0;\
    background:Canvas;color:CanvasText}main{max-width:60rem;margin:0 auto;padding:1.5rem}\
    h1{margin:0 0 .2rem}h2{margin:2.2rem 0 .4rem;font-size:1.2rem}.lead,.note{margin:0;opacity:.75}\
    .wide{overflow-x:auto}\
    table{border-collapse:collapse;margin:.5rem 0;font-variant-numeric:tabular-nums}\
    th,td{padding:.25rem .8rem .25rem 0;text-align:right;border-bottom:1px solid #8884}\
    th:first-child,td:first-child{text-align:left}th{font-weight:600}\
    .pass,.fail{padding:.5rem .8rem;border-radius:.4rem;margin:1rem 0;color:#fff}\
    .pass{background:#1b6e3c}.fail{background:#a12622}blockquote{margin:.5rem 0;padding:.2rem .8rem;\
    border-left:.25rem solid #8888}svg{height:auto}svg text{fill:CanvasText;\
    font:13px system-ui,sans-serif}.bar{fill:#2f6fb5}.bar2{fill:#c77b28}.axis{stroke:#8888}
    """

  private var verdict: String {
    guard let verdict = sections.verdict else { return "" }
    return "<p class=\"\(verdict.passes ? "pass" : "fail")\">\(escape(verdict.sentence))</p>\n"
  }

  private func section(_ section: DriftSection) -> String {
    var html = "<h2>\(escape(section.title))</h2>"
    html += section.notes.map { "<p class=\"note\">\(escape($0))</p>" }.joined()
    if let chart = section.chart { html += "<div class=\"wide\">\(svg(chart))</div>" }
    html += "<div class=\"wide\">\(table(section.heads, section.rows))</div>"
    if !section.quote.isEmpty {
      html +=
        "<p>\(escape(section.quoteTitle))</p><blockquote>\(escape(section.quote))</blockquote>"
    }
    return html
  }

  private func table(_ heads: [String], _ rows: [[String]]) -> String {
    let head = heads.map { "<th>\(escape($0))</th>" }.joined()
    let body = rows.map { row in
      "<tr>" + row.map { "<td>\(escape($0))</td>" }.joined() + "</tr>"
    }.joined(separator: "\n")
    return "<table><thead><tr>\(head)</tr></thead><tbody>\(body)</tbody></table>"
  }

  private func svg(_ chart: DriftSection.Chart) -> String {
    let most = chart.bars.map { $0.value.isFinite ? $0.value : 0 }.max() ?? 1
    let (left, width, height) = (220, 480, 24)
    var shapes = ""
    for (index, bar) in chart.bars.enumerated() {
      let y = index * height
      let value = bar.value.isFinite ? max(0, bar.value) : most
      let length = most > 0 ? Int((value / most * Double(width)).rounded()) : 0
      let style = chart.alternates && index % 2 == 1 ? "bar2" : "bar"
      shapes += """
        <text x="\(left - 8)" y="\(y + 16)" text-anchor="end">\(escape(bar.label))</text>\
        <rect class="\(style)" x="\(left)" y="\(y + 4)" width="\(length)" height="16" rx="2"/>\
        <text x="\(left + length + 6)" y="\(y + 16)">\(escape(bar.text))</text>

        """
    }
    let total = chart.bars.count * height
    return """
      <svg viewBox="0 0 \(left + width + 90) \(total)" width="\(left + width + 90)" role="img">
      <line class="axis" x1="\(left)" y1="0" x2="\(left)" y2="\(total)"/>
      \(shapes)</svg>
      """
  }

  private func escape(_ text: String) -> String { HTMLText.escaped(text) }
}

/// Text inside HTML.
enum HTMLText {
  /// The text with the characters that HTML gives a meaning replaced.
  static func escaped(_ text: String) -> String {
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
