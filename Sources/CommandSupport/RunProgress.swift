import BertErrors
import SystemLibrary

/// What a run over many texts says of itself on standard error: on a terminal a line that is renewed, elsewhere a line a minute; and
/// a summary where it took a while.
struct RunProgress {
  /// How it is said.
  private enum Manner {
    case nothing, line, log
  }

  private let manner: Manner
  private let start = ContinuousClock.now
  private var said: ContinuousClock.Instant
  private var shows = false
  /// Texts that were answered, and that were not.
  private(set) var answered = 0
  private(set) var tokens = 0
  /// Texts that were not answered, by the name of the reason.
  private(set) var failures: [String: Int] = [:]
  /// Texts of an earlier run that this one goes on from.
  var earlier = 0

  /// - Parameter isRead: whether texts come from a file or standard input, not from the command line.
  init(isRead: Bool, isQuiet: Bool, isInteractive: Bool) {
    said = start
    let isTerminal = isatty(2) != 0
    // Results on the same terminal are progress enough.
    let hidden = !isRead || isQuiet || isInteractive || isTerminal && isatty(1) != 0
    manner = hidden ? .nothing : isTerminal ? .line : .log
  }

  /// Texts that were not answered.
  var failed: Int { failures.values.reduce(0, +) }

  mutating func note(answered text: Int) {
    answered += 1
    tokens += text
  }

  mutating func note(_ error: BertError) { failures[error.code.name, default: 0] += 1 }

  /// Says how far it is, if it is time to.
  mutating func update(done: Int, of total: Int) {
    let now = ContinuousClock.now
    let pause: Duration = manner == .line ? .milliseconds(250) : .seconds(60)
    guard manner != .nothing, now - said >= pause else { return }
    said = now
    var text = rates(now)
    if total > 0, done > 0 {
      let share = min(1, Double(done) / Double(total))
      let left = seconds(now) * (1 - share) / share
      text += ", \(Int(share * 100)) %, \(Self.clock(left)) left"
    }
    if manner == .line {
      Console.write("\r\u{1B}[K\(text)")
      shows = true
    } else {
      Console.note("bert-run: \(text)")
    }
  }

  /// Removes the line, or says what was done.
  mutating func finish() {
    if shows { Console.write("\r\u{1B}[K") }
    let now = ContinuousClock.now
    guard manner != .nothing, seconds(now) >= 1 || answered + failed >= 1000 else { return }
    Console.note("bert-run: \(rates(now)), in \(Self.clock(seconds(now)))")
  }

  /// Why texts were not answered: `2 malformed, 1 too-long`.
  var reasons: String {
    failures.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }
      .joined(separator: ", ")
  }

  private func seconds(_ now: ContinuousClock.Instant) -> Double {
    let time = (now - start).components
    return max(1e-3, Double(time.seconds) + Double(time.attoseconds) * 1e-18)
  }

  private func rates(_ now: ContinuousClock.Instant) -> String {
    let seconds = seconds(now)
    func rate(_ count: Int) -> String { grouped(Int((Double(count) / seconds).rounded())) }
    var text =
      "\(grouped(answered + failed)) texts, \(rate(answered + failed)) texts/s, \(rate(tokens)) tokens/s"
    if failed > 0 { text += ", \(grouped(failed)) not answered (\(reasons))" }
    return text
  }

  /// 1234567 as `1,234,567`.
  private func grouped(_ number: Int) -> String {
    var digits = Array("\(number)")
    var place = digits.count - 3
    while place > 0 {
      digits.insert(",", at: place)
      place -= 3
    }
    return String(digits)
  }

  /// `0:42`, `1:02:03`.
  private static func clock(_ seconds: Double) -> String {
    guard seconds < 1e8 else { return "?" }
    let whole = Int(seconds.rounded())
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let (hours, minutes) = (whole / 3600, whole / 60 % 60)
    return hours > 0
      ? "\(hours):\(two(minutes)):\(two(whole % 60))" : "\(minutes):\(two(whole % 60))"
  }
}
