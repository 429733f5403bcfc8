import BertErrors
import BertImport
import BertKernels
import BertModel
import BertQuantize
import BertTokenize
import BertqFile

/// Writes an imported model as a `.bertq` file; of a large model no more than a layer is in memory.
struct FileConversion {
  let model: ImportedModel
  let weights: CheckpointConversion.Weights
  let recipe: Recipe
  let kernels: KernelSet
  let team: ThreadTeam
  let watch: ConversionWatch
  /// The tokenizer's tables; none when the model has no vocabulary.
  let tables: [(name: String, bytes: [UInt8])]
  /// What int8 weights are fitted to; nil for the weights alone.
  let calibration: CalibrationInput?
  /// How word embeddings are stored.
  let embeddings: WordEmbeddingForm
  /// What was done, so far.
  private(set) var record: QuantizationRecord

  private var configuration: BertConfiguration { model.description.configuration }

  init(
    model: ImportedModel, tables: [(name: String, bytes: [UInt8])],
    weights: CheckpointConversion.Weights,
    recipe: Recipe,
    calibration: CalibrationInput?, embeddings: WordEmbeddingForm, kernels: KernelSet,
    team: ThreadTeam, watch: @escaping ConversionWatch
  ) {
    self.model = model
    self.tables = tables
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
    let limit = min(model.description.tokenizer?.maximumTokens ?? .max, c.maximumPositions)
    return "\(c.layerCount) layers, hidden size \(c.hiddenSize), \(c.headCount) heads, "
      + "vocabulary \(c.vocabularySize); texts of up to \(limit) tokens"
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
    let drift = Self.drift(selection.measured, of: calibration)
    Self.announce(drift, watch)
    return try selection.copy(
      to: path, weights: weights, settings: settings, drift: drift, check: check(path))
  }

  /// Writes the file as it shall be; where both precisions are in it, their drift is measured before it has its name.
  private mutating func writeDirectly(to path: String) throws(BertError) -> BertqFingerprints {
    var measure: ((String) throws(BertError) -> ConversionDrift)?
    if let calibration, weights == .both, calibration.heldOut.count > 0 {
      measure = { [kernels, team, watch] (temporary) throws(BertError) in
        let heldOut = try HeldOutDrift(
          source: ModelFile.open(temporary), batch: calibration.heldOut, kernels: kernels,
          team: team)
        let drift = Self.drift(try heldOut.measure([]), of: calibration)
        Self.announce(drift, watch)
        return drift
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
    for table in tables {
      try withBytes(table.bytes) { (bytes) throws(BertError) in
        try writer.append(table.name, bytes)
      }
    }
    let copy = TensorCopy(
      model: model, tensors: readTensors, writer: writer, stores: { [self] in stores($0) },
      watch: watch
    ) { [self] (name, values) throws(BertError) in
      if writesOwnWords, name == CanonicalName.wordEmbeddings {
        try writeOwn(words: values, writer)
      }
    }
    // What the quantiser does not read comes first: what is wrong with it is found before the long work.
    let c = configuration
    let quantised = Set((c.sharedTensors + c.floatLinearTensors).map(\.name))
    try copy.writeRest { !quantised.contains($0) }
    if weights != .float {
      if let calibration {
        try writeCalibrated(writer, copy, calibration)
        try writer.replaceQuantizer(settings)
      } else {
        try writeNearest(writer, copy)
      }
      let plain = PlainQuantizer(
        configuration: configuration, recipe: recipe, kernels: kernels, team: team,
        read: { [model] name throws(BertError) in try model.readTensor(name) })
      try HeadConversion(model, plain)?.write(writer)
    }
    try copy.writeRest()
    return writer
  }

  /// Both precisions, in a file that vanishes when it is not used any more.
  private mutating func writeWhole(beside path: String) throws(BertError) -> ModelFile {
    var whole = FileConversion(
      model: model, tables: tables, weights: .both, recipe: recipe,
      calibration: calibration, embeddings: embeddings, kernels: kernels, team: team, watch: watch)
    let writer = try whole.writeTensors(to: path)
    let file = try writer.finishUnnamed { (temporary) throws(BertError) in
      try ModelFile.open(temporary)
    }
    record = whole.record
    return file
  }

  /// Warns of an int8 that is far from float32: nothing else would show it.
  private static func announce(_ drift: ConversionDrift, _ watch: ConversionWatch) {
    guard drift.isLarge else { return }
    watch(
      .note(
        "int8 is far from float32 in this model (\(drift.sentence)); --max-drift keeps the linears that cause "
          + "it in float32, and bert-run --float computes with float32 alone"))
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
    let file = WrittenFile(
      name: path, vocabulary: model.vocabularyFile, kernels: kernels, team: team)
    return { [watch] (temporary) throws(BertError) in try file.check(temporary, watch) }
  }

  private var settings: [BertqSetting] { weights == .float ? [] : record.settings }

  private var linears: [LinearName] {
    (0..<configuration.storedLayerCount).flatMap { layer in
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
    for table in tables {
      list.append(BertqTensor(table.name, .uint8, .rowMajor, [table.bytes.count]))
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

  /// The element types in which each tensor of the model is stored: its own, and that of its int8 form.
  var storedTypes: [String: [String]] {
    var types: [String: [String]] = [:]
    let own = Set(ownWords.map(\.name))
    for tensor in plan {
      var name = tensor.name
      if own.contains(name), writesOwnWords {
        if tensor.elementType == .float32 { continue }  // Scales.
        name = CanonicalName.wordEmbeddings
      } else if name.hasSuffix(QuantizedPart.weight) {
        name = name.dropLast(QuantizedPart.weight.count) + FloatPart.weight
      }
      types[name, default: []].append(tensor.elementType.rawValue)
    }
    return types
  }

  /// The tensors of the int8 path's own word embeddings.
  private var ownWords: [(name: String, type: ElementType, shape: [Int])] {
    embeddings.tensors(rows: configuration.vocabularySize, width: configuration.embeddingWidth)
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
  private var writesOwnWords: Bool { weights != .float && embeddings != .float32 }

  /// Writes rows of the int8 path's own word embeddings.
  private func writeOwn(
    words rows: UnsafeBufferPointer<Float>, _ writer: BertqWriter
  ) throws(BertError) {
    let parts = try embeddings.encode(rows, width: configuration.embeddingWidth)
    for (tensor, bytes) in zip(ownWords, parts) {
      try withBytes(bytes) { (bytes) throws(BertError) in try writer.append(tensor.name, bytes) }
    }
  }

  private func writeNearest(_ writer: BertqWriter, _ copy: TensorCopy) throws(BertError) {
    let quantizer = PlainQuantizer(
      configuration: configuration, recipe: recipe, kernels: kernels, team: team,
      read: { name throws(BertError) in try copy.read(name) })
    for (index, linear) in linears.enumerated() {
      try append(try quantizer.quantize(linear), linear, to: writer)
      watch(.progress(stage: .quantising, done: index + 1, of: linears.count))
    }
  }

  private mutating func writeCalibrated(
    _ writer: BertqWriter, _ copy: TensorCopy, _ calibration: CalibrationInput
  ) throws(BertError) {
    let quantizer = try CalibratedQuantizer(
      configuration: configuration, batch: calibration.batch, recipe: recipe, kernels: kernels,
      team: team, read: { name throws(BertError) in try copy.read(name, isPackedLater: true) },
      words: { [configuration] ids throws(BertError) in
        try copy.readRows(CanonicalName.wordEmbeddings, ids, width: configuration.embeddingWidth)
      },
      packed: { name, bytes throws(BertError) in try copy.write(name, packed: bytes) })
    for layer in 0..<configuration.storedLayerCount {
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
}
