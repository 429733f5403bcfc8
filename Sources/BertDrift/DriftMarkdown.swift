/// A drift report as Markdown, for the summary of a job or the body of a pull request.
package struct DriftMarkdown {
  private let sections: DriftSections

  /// A text of a report; `verdict` is that of a gate, nil when there was none.
  package init(_ report: DriftReport, verdict: DriftVerdict?) {
    sections = DriftSections(report: report, verdict: verdict)
  }

  /// The text.
  package var text: String {
    var parts = ["## Drift of int8 against float32", escape(sections.lead)]
    if let verdict = sections.verdict { parts.append("**\(verdict.sentence)**") }
    parts += sections.all.map(section)
    return parts.joined(separator: "\n\n") + "\n"
  }

  private func section(_ section: DriftSection) -> String {
    var parts = section.notes.map(escape)
    parts.append(table(section.heads, section.rows))
    if !section.quote.isEmpty {
      parts += [escape(section.quoteTitle), "> " + escape(section.quote)]
    }
    let body = parts.joined(separator: "\n\n")
    // Markdown is read inside HTML behind an empty line.
    return section.isDetail
      ? "<details><summary>\(HTMLText.escaped(section.title))</summary>\n\n\(body)\n\n</details>"
      : "### \(escape(section.title))\n\n\(body)"
  }

  private func table(_ heads: [String], _ rows: [[String]]) -> String {
    func line(_ cells: [String]) -> String {
      "| " + cells.map(escape).joined(separator: " | ") + " |"
    }
    let rule = "|" + heads.indices.map { $0 == 0 ? " --- |" : " ---: |" }.joined()
    return ([line(heads), rule] + rows.map(line)).joined(separator: "\n")
  }

  /// A text that means nothing to Markdown, on one line.
  private func escape(_ text: String) -> String {
    var result = ""
    for character in text {
      if character.isNewline {
        result += " "
      } else if "\\`*_[]|#~".contains(character) {
        result += "\\" + String(character)
      } else {
        result.append(character)
      }
    }
    return HTMLText.escaped(result)
  }
}
