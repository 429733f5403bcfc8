import BertErrors
import BertImport
import BertKernels
import BertModel
import BertQuantize
import BertTokenize
import BertqFile
import SystemLibrary

/// Writes an imported model as a `.bertq` file; of a large model no more than a layer is in memory.
struct FileConversion {
  let model: ImportedModel
  let weights: CheckpointConversion.Weights
  let recipe: Recipe
  let kernels: KernelSet
  let team: ThreadTeam
  let watch: ConversionWatch
  /// The model's vocabulary as a table; empty when it has none.
  let vocabulary: [UInt8]
  /// What int8 weights are fitted to; nil for the weights alone.
  let calibration: CalibrationInput?
  /// How word embeddings are stored.
  let embeddings: WordEmbeddingForm
  /// What was done, so far.
  private(set) var record: QuantizationRecord

  private var configuration: BertConfiguration { model.description.configuration }

  init(
    model: ImportedModel, vocabulary: [UInt8], weights: CheckpointConversion.Weights,
    recipe: Recipe,
    calibration: CalibrationInput?, embeddings: WordEmbeddingForm, kernels: KernelSet,
    team: ThreadTeam, watch: @escaping ConversionWatch
  ) {
    self.model = model
    self.vocabulary = vocabulary
    self.weights = weights
    self.recipe = recipe
    self.calibration = calibration
    self.embeddings = embeddings
    self.kernels = kernels
    self.team = team
    self.watch = watch
    record = QuantizationRecord(
      recipe: recipe, configuration: model.description.configuration, calibration: calibration)
  }

  var summary: String {
    let c = configuration
    return "\(c.layerCount) layers, hidden size \(c.hiddenSize), \(c.headCount) heads, "
      + "vocabulary \(c.vocabularySize); pooling "
      + model.description.embedding.poolings.map(\.rawValue).joined(separator: " with ")
      + (model.description.embeddingIsPublished ? "" : " (not published; the default)")
      + (model.description.embedding.normalizes ? ", normalised" : "")
  }

  /// Converts the model; with a budget, to int8 with as many linears in float as it takes.
  ///
  /// Where only a part of what is measured is kept, the whole is written first, to a file beside the target that has no
  /// name for longer than it takes to open it; measured there; and copied without what is not wanted.
  mutating func write(
    to path: String, budget: DriftBudget?
  ) throws(BertError) -> BertqFingerprints {
    guard let calibration, budget != nil || weights == .int8 else {
      return try writeDirectly(to: path)
    }
    let file = try writeWhole(beside: path)
    let selection = try BudgetMeasuring(
      file: file, budget: budget, texts: calibration.heldOut, kernels: kernels, team: team,
      watch: watch)
    record.kept = selection.kept
    if budget != nil { selection.announce(watch) }
    return try selection.copy(
      to: path, weights: weights, settings: settings,
      drift: Self.drift(selection.measured, of: calibration), check: check(path))
  }

  /// Writes the file as it shall be; where both precisions are in it, their drift is measured before it has its name.
  private mutating func writeDirectly(to path: String) throws(BertError) -> BertqFingerprints {
    var measure: ((String) throws(BertError) -> ConversionDrift)?
    if let calibration, weights == .both, calibration.heldOut.count > 0 {
      measure = { [kernels, team] (temporary) throws(BertError) in
        let drift = try HeldOutDrift(
          source: ModelFile.open(temporary), batch: calibration.heldOut, kernels: kernels,
          team: team)
        return Self.drift(try drift.measure([]), of: calibration)
      }
    }
    let room = measure == nil ? nil : calibration.map { Self.drift(nil, of: $0) }
    return try writeTensors(to: path, drift: room).finish(check: check(path), measure: measure)
  }

  private mutating func writeTensors(
    to path: String, drift: ConversionDrift? = nil
  ) throws(BertError) -> BertqWriter {
    let writer = try BertqWriter(
      path: path, description: model.description, tensors: plan, quantizer: settings, drift: drift,
      producer: Release.name)
    try writeFloat(writer)
    guard weights != .float else { return writer }
    if let calibration {
      try writeCalibrated(writer, calibration)
      try writer.replaceQuantizer(settings)
    } else {
      try writeNearest(writer)
    }
    let plain = PlainQuantizer(
      configuration: configuration, recipe: recipe, kernels: kernels, team: team,
      read: { [model] name throws(BertError) in try model.readTensor(name) })
    try HeadConversion(model, plain)?.write(writer)
    return writer
  }

  /// Both precisions, in a file that vanishes when it is not used any more.
  private mutating func writeWhole(beside path: String) throws(BertError) -> ModelFile {
    var whole = FileConversion(
      model: model, vocabulary: vocabulary, weights: .both, recipe: recipe,
      calibration: calibration, embeddings: embeddings, kernels: kernels, team: team, watch: watch)
    let temporary = "\(path).\(getpid()).unmeasured"
    _ = try whole.writeTensors(to: temporary).finish()
    let opened = Result { () throws(BertError) in try ModelFile.open(temporary) }
    unlink(temporary)
    record = whole.record
    return try opened.get()
  }

  /// What the file keeps of a measurement; nil makes room for one.
  private static func drift(
    _ measured: HeldOutDrift.Measurement?, of input: CalibrationInput
  ) -> ConversionDrift {
    ConversionDrift(
      source: input.heldOutSource, texts: input.heldOut.count, tokens: input.heldOut.tokenCount,
      sqnr: measured?.sqnr ?? 0, meanCosine: measured?.meanCosine ?? 0,
      worstCosine: measured?.worstCosine ?? 0)
  }

  private func check(_ path: String) -> (String) throws(BertError) -> Void {
    let file = WrittenFile(name: path, kernels: kernels, team: team)
    return { [watch] (temporary) throws(BertError) in try file.check(temporary, watch) }
  }

  private var settings: [BertqSetting] { weights == .float ? [] : record.settings }

  private var linears: [LinearName] {
    (0..<configuration.layerCount).flatMap { layer in
      LinearSite.allCases.map { LinearName(layer, $0) }
    }
  }

  /// The model's tensors that are read before the linears are quantised.
  private var readTensors: [TensorRequirement] {
    guard weights == .int8 else { return model.tensors }
    let linears = Set(configuration.floatLinearTensors.map(\.name))
    return model.tensors.filter { !linears.contains($0.name) }
  }

  /// Whether one of them goes into the file as float32.
  private func stores(_ tensor: TensorRequirement) -> Bool {
    weights != .int8 || !writesOwnWords || tensor.name != CanonicalName.wordEmbeddings
  }

  private var plan: [BertqTensor] {
    var list: [BertqTensor] = []
    if !vocabulary.isEmpty {
      list.append(
        BertqTensor(CanonicalName.vocabulary, .uint8, .rowMajor, [vocabulary.count]))
    }
    for tensor in readTensors {
      if stores(tensor) {
        list.append(BertqTensor(tensor.name, .float32, tensor.layout, tensor.shape))
      }
      if writesOwnWords, tensor.name == CanonicalName.wordEmbeddings {
        list += ownWords.map { BertqTensor($0.name, $0.type, .rowMajor, $0.shape) }
      }
    }
    if weights != .float {
      list += linears.flatMap { quantizedTensors($0) } + HeadConversion.tensors(model)
    }
    return list
  }

  /// The tensors of the int8 path's own word embeddings.
  private var ownWords: [(name: String, type: ElementType, shape: [Int])] {
    embeddings.tensors(rows: configuration.vocabularySize, width: configuration.hiddenSize)
  }

  private func quantizedTensors(_ linear: LinearName) -> [BertqTensor] {
    QuantizedLinear.tensors(
      linear.description, outputs: linear.site.outputs(configuration),
      inputs: linear.site.inputs(configuration)
    ).map {
      BertqTensor($0.requirement.name, $0.elementType, $0.requirement.layout, $0.requirement.shape)
    }
  }
}

extension FileConversion {
  private func writeFloat(_ writer: BertqWriter) throws(BertError) {
    if !vocabulary.isEmpty {
      try withBytes(vocabulary) { (bytes) throws(BertError) in
        try writer.append(CanonicalName.vocabulary, bytes)
      }
    }
    for (index, tensor) in readTensors.enumerated() {
      let values = try model.readTensor(tensor.name)
      if stores(tensor) {
        try withStoredBytes(values, tensor) { (bytes) throws(BertError) in
          try writer.append(tensor.name, bytes)
        }
      }
      if writesOwnWords, tensor.name == CanonicalName.wordEmbeddings {
        try writeOwn(words: values, writer)
      }
      watch(.progress(stage: .converting, done: index + 1, of: readTensors.count))
    }
  }

  private var writesOwnWords: Bool { weights != .float && embeddings != .float32 }

  /// Writes the int8 path's own word embeddings.
  private func writeOwn(words values: [Float], _ writer: BertqWriter) throws(BertError) {
    let parts = try values.withUnsafeBufferPointer { (values) throws(BertError) in
      try embeddings.encode(values, width: configuration.hiddenSize)
    }
    for (tensor, bytes) in zip(ownWords, parts) {
      try withBytes(bytes) { (bytes) throws(BertError) in try writer.append(tensor.name, bytes) }
    }
  }

  private func writeNearest(_ writer: BertqWriter) throws(BertError) {
    let quantizer = PlainQuantizer(
      configuration: configuration, recipe: recipe, kernels: kernels, team: team,
      read: { [model] name throws(BertError) in try model.readTensor(name) })
    for (index, linear) in linears.enumerated() {
      try append(try quantizer.quantize(linear), linear, to: writer)
      watch(.progress(stage: .quantising, done: index + 1, of: linears.count))
    }
  }

  private mutating func writeCalibrated(
    _ writer: BertqWriter, _ calibration: CalibrationInput
  ) throws(BertError) {
    let quantizer = try CalibratedQuantizer(
      configuration: configuration, batch: calibration.batch, recipe: recipe, kernels: kernels,
      team: team, read: { [model] name throws(BertError) in try model.readTensor(name) })
    for layer in 0..<configuration.layerCount {
      let (done, all) = (layer * quantizer.stepsOfLayer, linears.count / 4 * quantizer.stepsOfLayer)
      var results: [(LinearSite, CalibratedQuantizer.Measured)] = []
      try quantizer.quantize(
        layer: layer,
        progress: { [watch] in watch(.progress(stage: .calibrating, done: done + $0, of: all)) }
      ) {
        (site, linear, measured) throws(BertError) in
        try append(linear, LinearName(layer, site), to: writer)
        results.append((site, measured))
      }
      for (site, measured) in results { record.add(layer, site, measured) }
    }
  }

  private func append(
    _ quantized: QuantizedLinear, _ linear: LinearName, to writer: BertqWriter
  ) throws(BertError) {
    let store = TensorStore(model: model.description)
    try quantized.add(to: store, named: linear.description)
    for tensor in quantizedTensors(linear) {
      if let view = store.find(tensor.name) { try writer.append(tensor.name, view.bytes) }
    }
  }

  /// A tensor's values in the layout of the file.
  private func withStoredBytes(
    _ values: [Float], _ tensor: TensorRequirement,
    _ body: (UnsafeRawBufferPointer) throws(BertError) -> Void
  ) throws(BertError) {
    guard tensor.layout == .floatPanels else {
      return try withBytes(values, body)
    }
    let panels = try AlignedBuffer(
      checkedFloats: roundUp(tensor.shape[0], to: TensorLayout.panelWidth) * tensor.shape[1],
      for: "the rows of \(tensor.name)", advice: "close other programs")
    values.withUnsafeBufferPointer {
      bk_pack_f32($0.baseAddress, tensor.shape[0], tensor.shape[1], panels.floats)
    }
    try body(UnsafeRawBufferPointer(start: panels.base, count: panels.count))
  }
}

/// An array's bytes; `withUnsafeBytes` does not yet pass typed errors on.
private func withBytes<Element: BitwiseCopyable>(
  _ elements: [Element], _ body: (UnsafeRawBufferPointer) throws(BertError) -> Void
) throws(BertError) {
  try elements.withUnsafeBufferPointer { (buffer) throws(BertError) in
    try body(UnsafeRawBufferPointer(buffer))
  }
}
