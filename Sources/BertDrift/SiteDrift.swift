import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Synchronization

/// What each place of the int8 path does to the result.
package struct SiteDrift: Sendable {
  /// The place, in all layers at once.
  package let site: QuantizedSite
  /// Last hidden states with this place alone in int8.
  package let alone: VectorDrift
  /// Last hidden states with everything but this place in int8.
  package let without: VectorDrift
}

/// One linear's own error, on the inputs it has in the float32 path.
package struct LinearDrift: Sendable {
  /// The layer.
  package let layer: Int
  /// The linear.
  package let site: LinearSite
  /// Its outputs, float32 against int8.
  package let outputs: VectorDrift
}

/// Watches the float32 path and runs every linear's int8 form beside it.
///
/// Workers call it at the same time; what they share is under a lock.
final class LinearWatcher: EncoderObserver, Sendable {
  private let comparison: LinearComparison
  private let sums: Mutex<[LinearKey: VectorDrift]>
  private let failure = Mutex<BertError?>(nil)

  private struct LinearKey: Hashable {
    let layer: Int
    let site: LinearSite
  }

  init(_ comparison: LinearComparison) {
    self.comparison = comparison
    sums = Mutex([:])
  }

  func hidden(layer: Int, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int) {}

  func input(
    layer: Int, site: LinearSite, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int
  ) {
    var drift = VectorDrift()
    do throws(BertError) {
      try comparison.compare(
        layer: layer, site: site, rows: rows.count, values: values, stride: stride
      ) { float, int8, width in drift.add(reference: float, other: int8, width: width) }
    } catch {
      failure.withLock { [error] in $0 = error }
    }
    guard drift.count > 0 else { return }
    sums.withLock { [drift] in
      $0[LinearKey(layer: layer, site: site), default: VectorDrift()].add(drift)
    }
  }

  /// All linears, in the order of the computation.
  ///
  /// - Throws: what a comparison threw.
  func results() throws(BertError) -> [LinearDrift] {
    if let failure = failure.withLock({ $0 }) { throw failure }
    return sums.withLock { sums in
      sums.map { LinearDrift(layer: $0.key.layer, site: $0.key.site, outputs: $0.value) }
        .sorted { ($0.layer, $0.site.rawValue) < ($1.layer, $1.site.rawValue) }
    }
  }
}

/// Finds out which places cause the drift, on some of the texts.
struct SiteAttribution {
  let source: any WeightSource
  let kernels: KernelSet
  let team: ThreadTeam

  /// Tokens that are looked at: each place takes two runs of mostly float32.
  static let mostTokens = 1024

  func linears(_ batch: TokenBatch) throws(BertError) -> [LinearDrift] {
    let watcher = LinearWatcher(try LinearComparison(source: source, kernels: kernels))
    // One worker: sums come in one order, so that reports do not differ from run to run.
    let encoder = try BertEncoder(
      source: source, precision: .float32, kernels: kernels, team: ThreadTeam(count: 1))
    try encoder.encode(batch, observer: watcher) { _ in }
    return try watcher.results()
  }

  func sites(_ batch: TokenBatch) throws(BertError) -> [SiteDrift] {
    let reference = try states(batch) { _ in false }
    var list: [SiteDrift] = []
    for site in QuantizedSite.all {
      let alone = try states(batch) { $0 == site }
      let without = try states(batch) { $0 != site }
      list.append(
        SiteDrift(
          site: site, alone: compare(reference, alone), without: compare(reference, without)))
    }
    return list
  }

  private func states(
    _ batch: TokenBatch, _ quantizes: (QuantizedSite) -> Bool
  ) throws(BertError) -> [Float] {
    let encoder = try BertEncoder(
      source: source, precision: .int8, kernels: kernels, team: team
    ) { quantizes($1) }
    let width = encoder.configuration.hiddenSize
    var all: [Float] = []
    try encoder.encode(batch) { states in
      for token in states.tokens {
        all += UnsafeBufferPointer(start: states.row(token), count: width)
      }
    }
    return all
  }

  private func compare(_ reference: [Float], _ other: [Float]) -> VectorDrift {
    let width = source.model.configuration.hiddenSize
    var drift = VectorDrift()
    reference.withUnsafeBufferPointer { a in
      other.withUnsafeBufferPointer { b in
        guard let a = a.baseAddress, let b = b.baseAddress else { return }
        for row in 0..<(reference.count / width) {
          drift.add(reference: a + row * width, other: b + row * width, width: width)
        }
      }
    }
    return drift
  }
}
