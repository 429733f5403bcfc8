import BertErrors
import BertKernels
import BertModel
import BertQuantize
import BertRuntime
import BertqFile

/// Which linears of a finished file stay in float, and the file without their int8 forms.
struct BudgetMeasuring {
  /// Those linears, with the reason.
  let kept: [(linear: LinearName, reason: String)]
  private let file: ModelFile
  private let result: BudgetSearch.Result
  /// The drift of what is kept.
  var measured: HeldOutDrift.Measurement { result.after }
  private let texts: Int

  /// Searches, or only measures without a budget; `texts` are those that calibration did not see.
  init(
    file: ModelFile, budget: DriftBudget?, texts: TokenBatch, kernels: KernelSet, team: ThreadTeam,
    watch: ConversionWatch
  ) throws(BertError) {
    guard texts.count > 0 else {
      throw BertError(
        .usage, "a drift limit is measured on calibration texts; there are none for this model")
    }
    let drift = try HeldOutDrift(source: file, batch: texts, kernels: kernels, team: team)
    if let budget {
      let search = BudgetSearch(
        budget: budget, drift: drift, configuration: file.model.configuration)
      result = try search.run { watch(.progress(stage: .measuring, done: $0, of: $1)) }
    } else {
      result = BudgetSearch.Result(unlimited: try drift.measure([]))
    }
    kept = result.kept
    self.file = file
    self.texts = texts.count
  }

  /// Says what was found.
  func announce(_ watch: ConversionWatch) {
    func text(_ drift: HeldOutDrift.Measurement) -> String {
      "SQNR \(DecimalText.fixed(drift.sqnr, 2)) dB, worst cosine "
        + DecimalText.fixed(drift.worstCosine, 6)
    }
    watch(.note("drift on \(texts) held-out texts: \(text(result.before))"))
    if kept.isEmpty { return }
    for (linear, reason) in kept { watch(.note("\(linear) stays in float: \(reason)")) }
    watch(.note("drift with these in float: \(text(result.after))"))
  }

  /// Copies the file's tensors, less those that no path of the result uses.
  func copy(
    to path: String, weights: CheckpointConversion.Weights, settings: [BertqSetting],
    drift: ConversionDrift, check: (String) throws(BertError) -> Void
  ) throws(BertError) -> BertqFingerprints {
    let kept = Set(kept.map { $0.linear.description })
    var dropped: Set<String> = []
    if weights == .int8, file.find(CanonicalName.int8Words) != nil {
      dropped.insert(CanonicalName.wordEmbeddings)
    }
    for name in linearNames {
      if kept.contains(name) {
        for tensor in file.tensors where tensor.name.hasPrefix(name + QuantizedPart.prefix) {
          dropped.insert(tensor.name)
        }
      } else if weights == .int8 {
        dropped.formUnion([name + FloatPart.weight, name + FloatPart.bias])
      }
    }
    let tensors = file.tensors.filter { !dropped.contains($0.name) }
    let writer = try BertqWriter(
      path: path, description: file.model,
      tensors: tensors.map { BertqTensor($0.name, $0.elementType, $0.layout, $0.shape) },
      quantizer: settings, drift: drift, producer: file.producer)
    for tensor in tensors {
      try file.verify(tensor, bytes: 0..<tensor.bytes.count)
      try writer.append(tensor.name, tensor.bytes)
    }
    return try writer.finish(check: check)
  }

  private var linearNames: [String] {
    (0..<file.model.configuration.storedLayerCount).flatMap { layer in
      LinearSite.allCases.map { CanonicalName.linear(layer, $0) }
    }
  }
}
