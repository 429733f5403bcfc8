import BertErrors
import BertModel
import ByteFiles
import TensorFiles

/// A published model, understood: everything about it, and its tensors by canonical name.
package final class ImportedModel: Sendable {
  /// All of the model except its tensors.
  package let description: ModelDescription
  /// The tokens, by id; empty when the model has no vocabulary.
  package let vocabulary: [[UInt8]]
  /// The canonical tensors that the model has, in canonical order.
  package let tensors: [TensorRequirement]
  /// Heads that the model has.
  package let heads: [HeadKind]
  /// Whether the model has a pooler.
  package let hasPooler: Bool
  /// What became of every published tensor.
  package let report: ImportReport
  /// Every file that it was or will be read from.
  package var files: Set<String> { report.files }

  private let read: @Sendable (String) throws(BertError) -> [Float]

  init(
    _ checkpoint: Checkpoint, _ plan: TensorPlan, _ description: ModelDescription,
    vocabulary: [[UInt8]], report: ImportReport
  ) {
    self.description = description
    self.vocabulary = vocabulary
    self.report = report
    tensors = plan.tensors.map(\.requirement)
    heads = plan.heads
    hasPooler = plan.hasPooler
    let parts = PublishedParts(checkpoint, plan)
    read = { (name) throws(BertError) in try parts.readTensor(name) }
  }

  /// A model that lies elsewhere: `read` gives a tensor's values as `readTensor` does.
  package init(
    description: ModelDescription, vocabulary: [[UInt8]], tensors: [TensorRequirement],
    report: ImportReport,
    read: @escaping @Sendable (String) throws(BertError) -> [Float]
  ) {
    self.description = description
    self.vocabulary = vocabulary
    self.tensors = tensors
    self.report = report
    self.read = read
    let names = Set(tensors.map(\.name))
    hasPooler = names.contains(CanonicalName.pooler + FloatPart.weight)
    heads = HeadKind.allCases.filter { names.contains($0.stem + FloatPart.bias) }
  }

  /// The values of a canonical tensor as float32, row-major, whatever layout it will have.
  ///
  /// F16 and BF16 are exact, F64 rounds. Query, key and value come joined, `[in, out]` matrices
  /// come transposed. Only this tensor is in memory.
  ///
  /// - Throws: `malformed` with file, tensor and byte offset when bytes are damaged or a value is
  ///   NaN or infinite; `notFound` when the model has no tensor of that name.
  package func readTensor(_ name: String) throws(BertError) -> [Float] { try read(name) }
}

/// The tensors of a checkpoint, by the canonical names that they are or become part of.
private struct PublishedParts: Sendable {
  private let checkpoint: Checkpoint
  private let parts: [String: [PublishedPart]]

  init(_ checkpoint: Checkpoint, _ plan: TensorPlan) {
    self.checkpoint = checkpoint
    parts = Dictionary(uniqueKeysWithValues: plan.tensors.map { ($0.requirement.name, $0.parts) })
  }

  func readTensor(_ name: String) throws(BertError) -> [Float] {
    guard let parts = parts[name] else {
      throw BertError(
        .notFound, "the model has no such tensor", file: checkpoint.path, tensor: name)
    }
    if parts.count == 1 { return try readPart(parts[0]) }
    var values: [Float] = []
    values.reserveCapacity(parts.reduce(0) { $0 + $1.info.elementCount })
    for part in parts { values += try readPart(part) }
    return values
  }

  private func readPart(_ part: PublishedPart) throws(BertError) -> [Float] {
    let values = try checkpoint.readFloat32(part.info.name)
    if let place = values.firstIndex(where: { !$0.isFinite }) {
      let isNarrowed = part.info.type == .float64 && !values[place].isNaN
      throw BertError(
        .malformed,
        "element \(place) is \(values[place])"
          + (isNarrowed ? " as a float32" : "") + "; weights must be finite",
        file: part.info.file, tensor: part.info.name,
        byteOffset: part.info.byteOffset(ofElement: place))
    }
    guard part.isTransposed, part.info.shape.count == 2 else { return values }
    return Self.transposed(values, inputs: part.info.shape[0], outputs: part.info.shape[1])
  }

  private static func transposed(_ values: [Float], inputs: Int, outputs: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: values.count) { buffer, count in
      // Square blocks keep both sides in the cache.
      let block = 32
      for row in stride(from: 0, to: outputs, by: block) {
        for column in stride(from: 0, to: inputs, by: block) {
          for r in row..<min(row + block, outputs) {
            for c in column..<min(column + block, inputs) {
              buffer[r * inputs + c] = values[c * outputs + r]
            }
          }
        }
      }
      count = values.count
    }
  }
}

/// From a published checkpoint to canonical tensors.
package enum ModelImport {
  /// Reads everything about a checkpoint except the values of its tensors.
  ///
  /// - Parameters:
  ///   - input: a `.safetensors` or `.npz` file, a shard index, or the folder that holds one.
  ///   - config: the configuration, when it does not lie beside the checkpoint.
  ///   - vocabulary: a `vocab.txt` or `tokenizer.json`, when it does not lie there.
  ///   - onReport: called with the report as soon as it is complete, also when the import then
  ///     fails because of what is in it.
  /// - Throws: `notFound`, `malformed` or `unsupported`; all problems of the tensors in one error.
  package static func read(
    input: String, config: String? = nil, vocabulary: String? = nil,
    onReport: (ImportReport) -> Void = { _ in }
  ) throws(BertError) -> ImportedModel {
    let checkpoint = try OnnxWeights.named(Checkpoint.open(transformerFolder(input)))
    let files = try ModelFiles(
      checkpoint: checkpoint.path, configuration: config, vocabulary: vocabulary)
    let configFile = try ConfigurationFile(files.configuration)
    let configuration = configFile.configuration
    let architecture = try architecture(configFile, files.configuration)
    var pooling: PublishedPooling?
    if let modules = files.modules {
      pooling = try PublishedPooling(modules: modules, hiddenSize: configuration.hiddenSize)
    }
    let tokenizer = try TokenizerFiles(files, configuration: configuration)

    let plan = try TensorPlan(checkpoint, demand(configFile, architecture))
    var description = describe(configFile, architecture, pooling, plan)
    description.tokenizer = tokenizer?.settings
    description.provenance.source = Folder.name(of: checkpoint.path)
    description.provenance.elementType = elementType(plan)

    var report = plan.report
    report.notices += configFile.notices + (tokenizer?.notices ?? [])
    report.notices += notices(
      configFile, architecture, pooling, plan, hasTokenizer: tokenizer != nil)
    report.files = Set(files.paths + [checkpoint.path] + checkpoint.tensors.map(\.file))
    onReport(report)
    if let error = ImportProblem.error(plan.problems, file: checkpoint.path) { throw error }
    return ImportedModel(
      checkpoint, plan, description, vocabulary: tokenizer?.vocabulary ?? [], report: report)
  }

  /// The folder of the transformer, when `input` is a model that keeps it in one of its own.
  private static func transformerFolder(_ input: String) -> String {
    let path = input + "/modules.json"
    guard Folder.isFolder(input), Folder.isFile(path),
      let json = try? ModelFiles.readJSON(path, limit: 1 << 20),
      let name = json.arrayValue?.first?["path"]?.stringValue, Folder.isInside(name),
      Folder.isFolder(input + "/" + name)
    else { return input }
    return input + "/" + name
  }

  private static func architecture(
    _ file: ConfigurationFile, _ path: String
  ) throws(BertError) -> Architecture? {
    guard let name = file.architectures.first else { return nil }
    do throws(BertError) { return try Architecture.named(name) } catch { throw error.inFile(path) }
  }

  private static func demand(
    _ file: ConfigurationFile, _ architecture: Architecture?
  ) -> TensorPlan.Demand {
    var demand = TensorPlan.Demand(configuration: file.configuration)
    demand.heads = architecture?.heads ?? []
    demand.needsPooler = architecture?.needsPooler ?? false
    demand.tiesDecoder = file.tiesDecoder
    if architecture?.hasOneLogit == true {
      demand.labels = (1, "one logit for each choice")
    } else if let count = file.labelCount {
      demand.labels = (count, file.labels.isEmpty ? "num_labels" : "labels in id2label")
    }
    return demand
  }

  private static func describe(
    _ file: ConfigurationFile, _ architecture: Architecture?, _ pooling: PublishedPooling?,
    _ plan: TensorPlan
  ) -> ModelDescription {
    var description = ModelDescription(configuration: file.configuration)
    description.embedding = pooling?.recipe ?? EmbeddingRecipe()
    description.embeddingIsPublished = pooling != nil
    description.task =
      pooling != nil
      ? .embedding
      : architecture?.task
        ?? Architecture.suggestedTask(heads: plan.heads, hasPooler: plan.hasPooler)
    var head = HeadSettings()
    if plan.heads.contains(.classifier), architecture?.hasOneLogit != true {
      let count = plan.tensors.first { $0.requirement.name == CanonicalName.classifier + ".bias" }
      head.labels =
        file.labels.isEmpty
        ? (0..<(count?.requirement.shape[0] ?? 0)).map { "LABEL_\($0)" } : file.labels
    }
    head.problemType = file.problemType
    if !plan.heads.isEmpty { description.head = head }
    description.provenance.publishedName = file.publishedName
    description.provenance.architectures = file.architectures
    return description
  }

  /// The element type of the weights: one name, or "mixed".
  private static func elementType(_ plan: TensorPlan) -> String {
    let types = Set(plan.tensors.flatMap { $0.parts.map(\.info.type) })
    return types.count == 1 ? types.first?.rawValue ?? "" : "mixed"
  }

  private static func notices(
    _ file: ConfigurationFile, _ architecture: Architecture?, _ pooling: PublishedPooling?,
    _ plan: TensorPlan, hasTokenizer: Bool
  ) -> [String] {
    var notices: [String] = []
    if plan.tensors.contains(where: { $0.parts.contains { $0.info.type == .float64 } }) {
      notices.append("F64 weights are rounded to float32")
    }
    if architecture == nil {
      let name = file.architectures.first.map { "unknown class '\($0.prefix(80))'" } ?? "no class"
      notices.append("the configuration names \(name): the task is taken from the tensors")
    }
    if pooling == nil {
      notices.append("no pooling is published: an embedding is the mean over the tokens")
    }
    if !hasTokenizer {
      notices.append("no vocabulary was found: the model takes token ids only")
    }
    return notices
  }
}
