import BertErrors
import BertKernels
import BertModel
import BertQuantize
import BertRuntime
import Glibc

// Temporary: random weights, to see the engine run.
func now() -> Double {
  var t = timespec()
  clock_gettime(CLOCK_MONOTONIC, &t)
  return Double(t.tv_sec) + Double(t.tv_nsec) * 1e-9
}
let args = CommandLine.arguments
let big = args.contains("base")
nonisolated(unsafe) let c =
  big
  ? BertConfiguration(vocabularySize: 1000, hiddenSize: 768, layerCount: 12, headCount: 12, intermediateSize: 3072, maximumPositions: 512, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu)
  : BertConfiguration(vocabularySize: 1000, hiddenSize: 384, layerCount: 6, headCount: 12, intermediateSize: 1536, maximumPositions: 512, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu)
let store = TensorStore(description: ModelDescription(configuration: c))
nonisolated(unsafe) var seed: UInt64 = 1
func gauss(_ n: Int, _ s: Float) -> [Float] {
  (0..<n).map { _ in
    var t: Float = 0
    for _ in 0..<4 { seed = seed &* 6364136223846793005 &+ 1442695040888963407; t += Float(seed >> 40) / Float(1 << 24) - 0.5 }
    return t * s * 1.7
  }
}
for r in c.sharedTensors { try store.add(r.name, .float32, r.shape, r.name.hasSuffix("norm.weight") ? [Float](repeating: 1, count: r.shape[0]) : gauss(r.shape.reduce(1, *), 0.05)) }
for layer in 0..<c.layerCount {
  for site in LinearSite.allCases {
    let (n, k) = (site.outputs(c), site.inputs(c))
    let w = gauss(n * k, 0.04), b = gauss(n, 0.04)
    let name = CanonicalName.linear(layer, site)
    try store.add(name + ".weight", .float32, [n, k], .floatPanels) { bytes in bk_pack_f32(w, n, k, bytes.assumingMemoryBound(to: Float.self).baseAddress) }
    try store.add(name + ".bias", .float32, [n], b)
    try QuantizedLinear.roundToNearest(weight: w, bias: b, outputs: n, inputs: k).add(to: store, named: name)
  }
}
nonisolated(unsafe) let kernels = try KernelSet.choose()
nonisolated(unsafe) let threads = args.contains("2") ? 2 : 1
let team = ThreadTeam(count: threads)
let linearMacs = c.layerCount * c.hiddenSize * (4 * c.hiddenSize + 2 * c.intermediateSize)
func run(_ encoder: Encoder, _ lengths: [Int], _ label: String) throws {
  var batch = TokenBatch()
  for l in lengths { try batch.append(ids: (0..<l).map { Int32(($0 * 7 + 3) % 1000) }, for: c) }
  var macs = 0
  for l in lengths { macs += l * linearMacs + 2 * c.layerCount * l * l * c.hiddenSize }
  var times: [Double] = [], peaks: [Double] = []
  for _ in 0..<9 {
    let rounds = max(1, Int(2e10 * Double(threads) / Double(macs)))
    var p = now()
    let m = encoder.precision == .int8 ? kernels.calls.peak_s8(3_000_00) : kernels.calls.peak_f32(2_000_00)
    p = now() - p
    peaks.append(Double(m) / p)
    let t = now()
    for _ in 0..<rounds { try encoder.encode(batch) { _ in } }
    times.append((now() - t) / Double(rounds))
  }
  var ratios = zip(times, peaks).map { Double(macs) / $0 / $1 / Double(threads) }
  ratios.sort(); times.sort(); peaks.sort()
  print(label, encoder.precision, "ms", times[4] * 1e3, "peak", peaks[4] / 1e9, "fraction", ratios[4])
}
for precision in [Precision.int8, .float32] {
  let e = try Encoder(source: store, precision: precision, kernels: kernels, team: team)
  try run(e, [16], "1x16")
  try run(e, [128], "1x128")
  if precision == .int8 || !big { try run(e, [512], "1x512") }
  if precision == .int8 { try run(e, [Int](repeating: 128, count: 32), "32x128")
    try run(e, (0..<128).map { 8 + ($0 * 37) % 34 }, "ragged") }
}
