import BertEngine
import BertErrors
import BertImport
import BertKernels
import BertModel
import BertQuantize
import BertTokenize
import BertqFile
import CommandSupport

/// Writes an imported model as a `.bertq` file, one tensor in memory at a time.
struct Conversion {
  let model: ImportedModel
  let weights: WeightChoice

  /// The program and its version, as the file records it.
  static let producer = "bertq 0.1"

  private var configuration: BertConfiguration { model.description.configuration }

  var summary: String {
    let c = configuration
    return "\(c.layerCount) layers, hidden size \(c.hiddenSize), \(c.headCount) heads, "
      + "vocabulary \(c.vocabularySize); pooling \(model.description.pooling.rawValue)"
      + (model.description.poolingIsPublished ? "" : " (not published; the default)")
      + (model.description.normalizes ? ", normalised" : "")
  }

  func write(to path: String) throws(BertError) -> String {
    let vocabulary =
      model.vocabulary.isEmpty ? [] : try VocabularyTable.build(model.vocabulary)
    let plan = plan(vocabularyBytes: vocabulary.count)
    let writer = try BertqWriter(
      path: path, description: model.description, tensors: plan, quantizer: quantizerSettings,
      producer: Self.producer)
    var bar = ProgressBar("converting")
    defer { bar.finish() }
    var done = 0
    func append(_ name: String, _ bytes: UnsafeRawBufferPointer) throws(BertError) {
      try writer.append(name, bytes)
      done += bytes.count
      bar.update(done, of: writer.byteCount)
    }
    if !vocabulary.isEmpty {
      try withBytes(vocabulary) { (bytes) throws(BertError) in
        try append(ServedModel.vocabularyTensor, bytes)
      }
    }
    for tensor in canonicalTensors {
      let values = try model.readTensor(tensor.name)
      try withStoredBytes(values, tensor) { (bytes) throws(BertError) in
        try append(tensor.name, bytes)
      }
    }
    if weights != .float {
      for (layer, site) in linears {
        let store = TensorStore(description: model.description)
        let name = CanonicalName.linear(layer, site)
        try quantize(name, site).add(to: store, named: name)
        for tensor in quantizedTensors(name, site) {
          if let view = store.find(tensor.name) { try append(tensor.name, view.bytes) }
        }
      }
    }
    let fingerprints = try writer.finish()
    return [fingerprints.float.map { "float \($0)" }, fingerprints.int8.map { "int8 \($0)" }]
      .compactMap { $0 }.joined(separator: ", ")
  }

  private var linears: [(layer: Int, site: LinearSite)] {
    (0..<configuration.layerCount).flatMap { layer in
      LinearSite.allCases.map { (layer: layer, site: $0) }
    }
  }

  /// The model's tensors that go into the file as float32.
  private var canonicalTensors: [TensorRequirement] {
    guard weights == .int8 else { return model.tensors }
    let linears = Set(configuration.floatLinearTensors.map(\.name))
    return model.tensors.filter { !linears.contains($0.name) }
  }

  private func plan(vocabularyBytes: Int) -> [BertqTensor] {
    var list: [BertqTensor] = []
    if vocabularyBytes > 0 {
      list.append(
        BertqTensor(ServedModel.vocabularyTensor, .uint8, .rowMajor, [vocabularyBytes]))
    }
    list += canonicalTensors.map { BertqTensor($0.name, .float32, $0.layout, $0.shape) }
    if weights != .float {
      for (layer, site) in linears {
        list += quantizedTensors(CanonicalName.linear(layer, site), site)
      }
    }
    return list
  }

  private func quantizedTensors(_ name: String, _ site: LinearSite) -> [BertqTensor] {
    QuantizedLinear.tensors(
      name, outputs: site.outputs(configuration), inputs: site.inputs(configuration)
    ).map {
      BertqTensor($0.requirement.name, $0.elementType, $0.requirement.layout, $0.requirement.shape)
    }
  }

  private func quantize(_ name: String, _ site: LinearSite) throws(BertError) -> QuantizedLinear {
    let weight = try model.readTensor(name + ".weight")
    let bias = try model.readTensor(name + ".bias")
    let inputs = site.inputs(configuration)
    return QuantizedLinear.roundToNearest(
      weight: weight, bias: bias, outputs: site.outputs(configuration), inputs: inputs,
      balance: Rotation.signs(inputs), rotation: Rotation.standard(site, inputs: inputs),
      kernels: try KernelSet.choose())
  }

  private var quantizerSettings: [BertqSetting] {
    weights == .float
      ? [] : [BertqSetting("rounding", "nearest"), BertqSetting("calibration", "none")]
  }

  /// A tensor's values in the layout of the file.
  private func withStoredBytes(
    _ values: [Float], _ tensor: TensorRequirement,
    _ body: (UnsafeRawBufferPointer) throws(BertError) -> Void
  ) throws(BertError) {
    guard tensor.layout == .floatPanels else {
      return try withBytes(values, body)
    }
    let panels = AlignedBuffer(floats: roundUp(tensor.shape[0], to: 32) * tensor.shape[1])
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
