import Bertq
import ServeShapes
import Synchronization

/// What one request took, for the headers of its answer.
final class CallMeter: Sendable {
  private struct Counts {
    var characters = 0
    var tokenizing: Duration?
    var computing = Duration.zero
  }

  /// Where the answers came from, and how long they waited.
  let tally = AnswerTally()
  private let counts = Mutex(Counts())

  /// Notes how long texts took to become tokens, where that is seen.
  func noteTokenized(in duration: Duration) { counts.withLock { $0.tokenizing = duration } }

  /// Notes texts that were answered.
  func noteComputed(_ texts: TextList, in duration: Duration) {
    let characters = texts.inputs.reduce(0) {
      $0 + Self.characters($1.text) + Self.characters($1.pair ?? [])
    }
    counts.withLock { counts in
      counts.characters += characters
      counts.computing += duration
    }
  }

  /// How many characters UTF-8 holds: the bytes that begin one.
  private static func characters(_ bytes: [UInt8]) -> Int {
    bytes.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
  }

  /// Headers as text-embeddings-inference writes them, times in whole milliseconds, and one of ours; none
  /// where no text was answered.
  func headers(total: Duration) -> [(name: String, value: String)] {
    let (kept, computed) = (tally.kept, tally.computed)
    if kept + computed == 0 { return [] }
    let counts = counts.withLock { $0 }
    let waited = tally.waited ?? .zero
    var headers = [
      ("x-compute-type", "cpu"), ("x-compute-time", total.milliseconds),
      ("x-compute-characters", "\(counts.characters)"), ("x-compute-tokens", "\(tally.tokens)"),
      ("x-total-time", total.milliseconds), ("x-queue-time", waited.milliseconds),
      ("x-inference-time", (counts.computing - waited).milliseconds),
      ("x-bertq-cache", "hits=\(kept);misses=\(computed)"),
    ]
    if let tokenizing = counts.tokenizing {
      headers.append(("x-tokenization-time", tokenizing.milliseconds))
    }
    return headers
  }
}

extension Duration {
  /// Whole milliseconds, never negative.
  fileprivate var milliseconds: String { "\(max(0, nanoseconds / 1_000_000))" }
}
