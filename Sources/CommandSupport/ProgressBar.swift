import SystemLibrary

/// A bar on standard error, on a terminal only.
package struct ProgressBar {
  private let label: String
  private let isShown: Bool
  private var shown = -1

  /// A bar with a word in front of it.
  ///
  /// - Parameter besidesResults: results go to standard output meanwhile; on a terminal they would run
  ///   into the bar, and show the progress themselves.
  package init(_ label: String, besidesResults: Bool = false) {
    self.label = label
    isShown = isatty(2) != 0 && !(besidesResults && isatty(1) != 0)
  }

  /// Shows how much is done; call it often.
  package mutating func update(_ done: Int, of total: Int) {
    guard isShown, total > 0 else { return }
    let percent = min(100, done * 100 / total)
    guard percent != shown else { return }
    shown = percent
    let filled = percent * 40 / 100
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 40 - filled)
    Console.write("\r\(label) [\(bar)] \(percent)%")
  }

  /// Removes the bar.
  package mutating func finish() {
    if isShown, shown >= 0 { Console.write("\r\u{1B}[K") }
    shown = -1
  }
}

/// Bars of work in several stages: each begins where the one before ends.
package final class ProgressBars {
  private var label = ""
  private var bar: ProgressBar?

  /// No stage has begun.
  package init() {}

  /// Shows how far a stage is.
  package func update(_ label: String, _ done: Int, of total: Int) {
    if label != self.label { finish() }
    if bar == nil { bar = ProgressBar(label) }
    self.label = label
    bar?.update(done, of: total)
  }

  /// Removes the bar.
  package func finish() {
    bar?.finish()
    bar = nil
  }
}
