import BertErrors
import BertModel
import ByteFiles
import TensorFiles

/// A published model, understood: everything about it, and its tensors by canonical name.
package final class ImportedModel: Sendable {
  /// All of the model except its tensors.
  package let description: ModelDescription
  /// What the tokenizer's tables are made of; no tokens when the model has none.
  package let tokenizer: TokenizerVocabulary
  /// The tokenizer's tables, where the model has them already.
  package let storedTables: [(name: String, bytes: [UInt8])]?
  /// The tokens, by id; empty when the model has no vocabulary.
  package var vocabulary: [[UInt8]] { tokenizer.tokens }
  /// Ids of tokens that were added to the model's own: found as they stand, and no words or pieces.
  package var addedIDs: Set<Int> { tokenizer.addedIDs }
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

  /// The file that its vocabulary was read from; nil where there is none, or it lies elsewhere.
  package var vocabularyFile: String? { sources?.vocabulary }

  /// Takes some whole rows of a tensor.
  package typealias TakeRows = (UnsafeBufferPointer<Float>) throws(BertError) -> Void

  private let read: @Sendable (String) throws(BertError) -> [Float]
  private let readInPieces: @Sendable (String, TakeRows) throws(BertError) -> Void
  /// What it is read from; none for a model that lies elsewhere.
  private let checkpoints: [Checkpoint]
  private let sources: SettingSources?

  init(
    _ checkpoint: Checkpoint, _ plan: TensorPlan, _ description: ModelDescription,
    _ tokenizer: TokenizerFiles?, _ modules: SentenceModules?, made: MadeTensors,
    relative: RelativeDistances?, dropsPooler: Bool, report: ImportReport, sources: SettingSources
  ) {
    self.description = description
    self.sources = sources
    checkpoints =
      [checkpoint] + (modules?.denseModules ?? []).map(\.module.checkpoint)
    self.tokenizer = tokenizer?.published ?? TokenizerVocabulary()
    storedTables = nil
    self.report = report
    let pooler = Set(description.configuration.poolerTensors.map(\.name))
    // What modules hold lies in checkpoints of their own.
    let tokens = (modules?.tokens?.dense).map { dense in
      description.configuration.tensors(of: .multiVector, labels: dense.outputs)
    }
    tensors =
      plan.tensors.map(\.requirement).filter { !dropsPooler || !pooler.contains($0.name) }
      + description.embedding.tensors(hiddenSize: description.configuration.hiddenSize)
      + (tokens ?? [])
    heads = plan.heads + (tokens == nil ? [] : [.multiVector])
    hasPooler = plan.hasPooler && !dropsPooler
    let parts = PublishedParts(
      checkpoint, plan, modules?.denseModules ?? [], made,
      relative: relative.map { RelativeParts($0, description.configuration) })
    read = { (name) throws(BertError) in try parts.readTensor(name) }
    readInPieces = { (name, body) throws(BertError) in try parts.readRows(name, body) }
  }

  /// A model that lies elsewhere: `read` gives a tensor's values as `readTensor` does, `readInPieces` as `readRows`.
  package init(
    description: ModelDescription, tables: [(name: String, bytes: [UInt8])],
    tensors: [TensorRequirement],
    report: ImportReport,
    read: @escaping @Sendable (String) throws(BertError) -> [Float],
    readInPieces: @escaping @Sendable (String, TakeRows) throws(BertError) -> Void
  ) {
    self.description = description
    tokenizer = TokenizerVocabulary()
    storedTables = tables
    self.tensors = tensors
    self.report = report
    self.read = read
    self.readInPieces = readInPieces
    checkpoints = []
    sources = nil
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

  /// The same values in pieces of whole rows that follow each other: of a large table no more than a piece is in
  /// memory.
  ///
  /// - Throws: as `readTensor`, perhaps after some pieces, and what `body` throws.
  package func readRows(_ name: String, _ body: TakeRows) throws(BertError) {
    try readInPieces(name, body)
  }

  /// Every tensor of the published files with what its values are; reads those that were not.
  package var statistics: [TensorListingEntry] {
    checkpoints.flatMap { checkpoint in
      checkpoint.tensors.map { TensorListingEntry($0, of: checkpoint) }
    }
  }

  /// Every setting with the file that gave it.
  ///
  /// - Throws: as reading those files again does.
  package func settings() throws(BertError) -> [SourcedSetting] {
    try sources?.list(description) ?? []
  }
}

/// The tensors of a checkpoint, by the canonical names that they are or become part of.
private struct PublishedParts: Sendable {
  private let checkpoint: Checkpoint
  private let dense: [(stem: String, module: DenseModule)]
  private let parts: [String: [PublishedPart]]
  /// Shapes of tensors that no published one stands for.
  private let unpublished: [String: [Int]]
  /// What those are that are not zeros.
  private let made: MadeTensors
  /// What makes tables by distance of their parts.
  private let relative: RelativeParts?

  init(
    _ checkpoint: Checkpoint, _ plan: TensorPlan,
    _ dense: [(stem: String, module: DenseModule)], _ made: MadeTensors, relative: RelativeParts?
  ) {
    self.relative = relative
    self.dense = dense
    self.made = made
    self.checkpoint = checkpoint
    parts = Dictionary(uniqueKeysWithValues: plan.tensors.map { ($0.requirement.name, $0.parts) })
    unpublished = Dictionary(
      uniqueKeysWithValues: plan.tensors.filter { $0.parts.isEmpty }.map {
        ($0.requirement.name, $0.requirement.shape)
      })
  }

  func readTensor(_ name: String) throws(BertError) -> [Float] {
    if let values = try readDense(name) { return values }
    guard let parts = parts[name] else {
      throw BertError(
        .notFound, "the model has no such tensor", file: checkpoint.path, tensor: name)
    }
    if let shape = unpublished[name] {
      return made.values(name, shape) ?? [Float](repeating: 0, count: shape.reduce(1, *))
    }
    if parts.count == 1 { return try readPart(parts[0]) }
    if let relative, relative.names.contains(name) {
      var values: [[Float]] = []
      for part in parts { values.append(try readPart(part)) }
      return relative.table(values)
    }
    var values: [Float] = []
    values.reserveCapacity(parts.reduce(0) { $0 + $1.info.elementCount })
    for part in parts { values += try readPart(part) }
    return values
  }

  /// The values in pieces; in one where rows are put together, chosen or turned.
  func readRows(_ name: String, _ body: ImportedModel.TakeRows) throws(BertError) {
    guard let part = parts[name], part.count == 1, part[0].rows == nil, !part[0].isTransposed else {
      let values = try readTensor(name)
      return try values.withUnsafeBufferPointer { (values) throws(BertError) in try body(values) }
    }
    var first = 0
    try checkpoint.readFloat32(part[0].info.name) { (piece) throws(BertError) in
      try Self.requireFinite(piece, from: first, part[0].info)
      first += piece.count
      try body(piece)
    }
  }

  /// A tensor of a dense module; zeros for a bias that it does not have.
  private func readDense(_ name: String) throws(BertError) -> [Float]? {
    for (stem, module) in dense {
      if name == stem + FloatPart.bias, !module.hasBias {
        return [Float](repeating: 0, count: module.outputs)
      }
      for (canonical, published) in [
        (stem + FloatPart.weight, "linear.weight"), (stem + FloatPart.bias, "linear.bias"),
      ] where canonical == name {
        guard let info = module.checkpoint[published] else { continue }
        return try Self.readFinite(info, from: module.checkpoint)
      }
    }
    return nil
  }

  private func readPart(_ part: PublishedPart) throws(BertError) -> [Float] {
    var values = try Self.readFinite(part.info, from: checkpoint)
    let width = part.info.shape.dropFirst().reduce(1, *)
    if let rows = part.rows {
      values = rows.flatMap { values[$0.lowerBound * width..<$0.upperBound * width] }
    }
    guard part.isTransposed, part.info.shape.count == 2, width > 0 else { return values }
    return Self.transposed(values, inputs: values.count / width, outputs: width)
  }

  private static func readFinite(
    _ info: TensorInfo, from checkpoint: Checkpoint
  ) throws(BertError) -> [Float] {
    let values = try checkpoint.readFloat32(info.name)
    try values.withUnsafeBufferPointer { (values) throws(BertError) in
      try requireFinite(values, from: 0, info)
    }
    return values
  }

  /// - Parameter first: the place of the first value among all.
  private static func requireFinite(
    _ values: UnsafeBufferPointer<Float>, from first: Int, _ info: TensorInfo
  ) throws(BertError) {
    guard let index = values.firstIndex(where: { !$0.isFinite }) else { return }
    let (value, place) = (values[index], first + index)
    let isNarrowed = info.type == .float64 && !value.isNaN
    throw BertError(
      .malformed,
      "element \(place) is \(value)" + (isNarrowed ? " as a float32" : "")
        + "; weights must be finite",
      file: info.file, tensor: info.name, byteOffset: info.byteOffset(ofElement: place))
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
  ///   - idsOnly: leaves the tokenizer's files alone: the model will take token ids.
  ///   - heads: the number of attention heads, where no configuration says it.
  ///   - onReport: called with the report as soon as it is complete, also when the import then
  ///     fails because of what is in it.
  /// - Throws: `notFound`, `malformed` or `unsupported`; all problems of the tensors in one error.
  package static func read(
    input: String, config: String? = nil, vocabulary: String? = nil, idsOnly: Bool = false,
    heads: Int? = nil, onReport: (ImportReport) -> Void = { _ in }
  ) throws(BertError) -> ImportedModel {
    try CheckpointLayout.check(folder: input)
    let checkpoint = try OnnxWeights.named(Checkpoint.open(transformerFolder(input)))
    try CheckpointLayout.check(checkpoint)
    let files = try ModelFiles(
      checkpoint: checkpoint.path, configuration: config, vocabulary: vocabulary,
      needsConfiguration: heads == nil)
    let configFile = try configuration(files, checkpoint, heads)
    let configuration = configFile.configuration
    let architecture = try architecture(configFile, files.configuration)
    let modules = try files.modules.map { path throws(BertError) in
      try SentenceModules(modules: path, hiddenSize: configuration.hiddenSize)
    }
    let settings = try files.promptConfiguration.map { path throws(BertError) in
      try SentenceSettings(path)
    }
    let tokenizer =
      idsOnly
      ? nil
      : try TokenizerFiles(
        files, model: configFile.json, sizes: configuration,
        unnamed: configFile.family.tokenizer)

    let plan = try TensorPlan(checkpoint, demand(configFile, architecture, modules))
    if !plan.heads.isEmpty {
      do throws(BertError) { try configFile.family.checkHeads(configFile.json) } catch {
        throw error.inFile(files.configuration)
      }
    }
    let publication = Publication(
      configuration: configFile, files: files, architecture: architecture, modules: modules,
      settings: settings, tokens: Set(tokenizer?.published.tokens ?? []))
    var description = try publication.description(plan)
    description.tokenizer = tokenizer?.settings
    description.provenance.source = Folder.name(of: checkpoint.path)
    description.provenance.elementType = elementType(plan)
    let dropsPooler = try publication.dropsPooler(plan, checkpoint)

    var report = plan.report
    if !files.hasConfiguration { report.notices.append(SizesOfTensors.notice) }
    report.notices += configFile.notices + (tokenizer?.notices ?? [])
    report.notices += (modules?.notices ?? []) + (settings?.notices ?? [])
    report.notices += publication.notices(plan)
    report.notices += notices(
      configFile, architecture, description, plan, hasTokenizer: tokenizer != nil)
    if dropsPooler {
      report.notices.append(
        "the pooler has values that are not finite, and nothing uses it: it is left out")
    }
    report.files = Set(
      files.paths + (modules?.files ?? []) + [checkpoint.path] + checkpoint.tensors.map(\.file))
    onReport(report)
    if let error = ImportProblem.error(plan.problems, file: checkpoint.path) { throw error }
    return ImportedModel(
      checkpoint, plan, description, tokenizer, modules, made: configFile.made,
      relative: configFile.relative, dropsPooler: dropsPooler, report: report,
      sources: SettingSources(
        files: files, configuration: configFile, pooling: modules?.files.first,
        hasTokenizer: tokenizer != nil))
  }

  private static func configuration(
    _ files: ModelFiles, _ checkpoint: Checkpoint, _ heads: Int?
  ) throws(BertError) -> ConfigurationFile {
    guard let heads, !files.hasConfiguration else {
      return try ConfigurationFile(files.configuration, heads: heads)
    }
    return try ConfigurationFile(
      SizesOfTensors.configuration(checkpoint), of: checkpoint.path, heads: heads)
  }

  /// The folder of the transformer, when `input` is a model that keeps it in one of its own.
  private static func transformerFolder(_ input: String) throws(BertError) -> String {
    guard Folder.isFolder(input), let path = try ModelFiles.companion(input, "modules.json") else {
      return input
    }
    let json = try ModelFiles.readJSON(path, limit: 1 << 20)
    // Another first module has no checkpoint that could be looked for.
    do throws(BertError) { try SentenceModules.requireTransformer(json) } catch {
      throw error.inFile(path)
    }
    guard let published = json.arrayValue?.first?["path"]?.stringValue else { return input }
    let name = ModelFiles.modulePath(published)
    guard Folder.isInside(name), Folder.isFolder(input + "/" + name) else { return input }
    return input + "/" + name
  }

  private static func architecture(
    _ file: ConfigurationFile, _ path: String
  ) throws(BertError) -> Architecture? {
    guard let name = file.architectures.first else { return nil }
    do throws(BertError) { return try Architecture.named(name, of: file.family) } catch {
      throw error.inFile(path)
    }
  }

  private static func demand(
    _ file: ConfigurationFile, _ architecture: Architecture?, _ modules: SentenceModules?
  ) -> TensorPlan.Demand {
    var demand = TensorPlan.Demand(configuration: file.configuration, family: file.family)
    demand.unusedPositions = file.unusedPositions
    demand.hasTokenTypes = file.hasTokenTypes
    demand.needsClassifierDense =
      architecture?.readsDense == true
      || architecture?.classifiesTexts == true && file.family.classifier != .pooler
    // Where modules make vectors of the hidden states, the class may be that of what the encoder was trained
    // from: its head, if it was not published, is not missed.
    if modules?.recipe == nil {
      demand.heads = architecture?.heads ?? []
      demand.needsPooler = architecture?.needsPooler ?? false
    }
    demand.tiesDecoder = file.tiesDecoder
    demand.relative = file.relative
    if architecture?.hasOneLogit == true {
      demand.labels = (1, "one logit, as its class has")
    } else if let count = file.labelCount {
      demand.labels = (count, file.labels.isEmpty ? "num_labels" : "labels in id2label")
    }
    return demand
  }

  /// The element type of the weights: one name, or "mixed".
  private static func elementType(_ plan: TensorPlan) -> String {
    let types = Set(plan.tensors.flatMap { $0.parts.map(\.info.type) })
    return types.count == 1 ? types.first?.rawValue ?? "" : "mixed"
  }

  private static func notices(
    _ file: ConfigurationFile, _ architecture: Architecture?, _ model: ModelDescription,
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
    if let name = file.architectures.first, architecture?.heads.isSubset(of: plan.heads) == false {
      notices.append(
        "the configuration names \(name.prefix(80)), and there is no head: modules.json makes vectors without it"
      )
    }
    if !model.embeddingIsPublished {
      notices.append("no pooling is published: an embedding is the mean over the tokens")
    }
    if !hasTokenizer {
      notices.append("there is no vocabulary: the model takes token ids only")
    }
    return notices
  }
}
