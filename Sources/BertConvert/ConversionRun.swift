import BertErrors
import BertImport
import BertKernels
import BertModel
import BertQuantize
import BertTokenize
import BertqFile
import ByteFiles
import JSONText

/// One run of a conversion: what was found and done, for the report, whatever comes of it.
struct ConversionRun {
  private let order: CheckpointConversion
  private var found: ImportReport?
  private var record: QuantizationRecord?
  private var model: ImportedModel?
  /// Element types of the tensors that are stored, by canonical name.
  private var stored: [String: [String]] = [:]

  init(_ order: CheckpointConversion) { self.order = order }

  mutating func perform(_ watch: @escaping ConversionWatch) throws(BertError) -> ConversionResult {
    let result: Result<ConversionResult, BertError>
    do throws(BertError) {
      result = .success(try convert(watch))
    } catch {
      result = .failure(error)
    }
    for notice in (found?.notices ?? []) + (record?.notices ?? []) { watch(.note(notice)) }
    if case .success = result {
      try writeReport()
    } else if let found, (try? requireTargets(besides: Array(found.files))) != nil {
      // What failed is what the report is read for, unless it would replace one of the files that were read.
      try? writeReport()
    }
    return try result.get()
  }

  private mutating func convert(_ watch: @escaping ConversionWatch) throws(BertError)
    -> ConversionResult
  {
    var calibrationFile: String?
    if case .file(let path) = order.calibration { calibrationFile = path }
    try requireTargets(
      besides: [order.input, order.configuration, order.vocabulary, calibrationFile].compactMap {
        $0
      })
    let model = try readModel()
    self.model = model
    try requireTargets(besides: Array(model.files))
    let budget = try order.driftLimit.map { limit throws(BertError) in
      try DriftBudget(cosine: limit.cosine, sqnr: limit.sqnr)
    }
    let recipe =
      try order.recipe.map { text throws(BertError) in try Recipe.parse(text) } ?? .standard
    let settings = model.description.tokenizer ?? TokenizerSettings()
    let tables =
      if let stored = model.storedTables { stored } else { try model.tokenizer.tables(settings) }
    // What the tokenizer refuses must not be written.
    let tokenizer =
      tables.isEmpty
      ? nil : try Tokenizer(tables: TokenizerTables(copying: tables), settings: settings)
    let input = try calibrationInput(
      model.description, tokenizer, watch)
    var conversion = FileConversion(
      model: model, tables: tables, weights: order.weights, recipe: recipe,
      calibration: input, embeddings: order.embeddings.form, kernels: try KernelSet.choose(),
      team: ThreadTeam(count: min(order.threads ?? CpuShare.threads, CpuShare.limit)), watch: watch)
    stored = conversion.storedTypes
    let fingerprints = try conversion.write(to: order.output, budget: budget)
    if order.weights != .float { record = conversion.record }
    let purpose = ModelPurpose(model)
    return ConversionResult(
      summary: conversion.summary, purpose: purpose.sentence, labels: purpose.labels,
      tasks: purpose.tasks.map(\.rawValue), floatFingerprint: fingerprints.float,
      int8Fingerprint: fingerprints.int8)
  }

  /// A checkpoint, or the float32 weights of a file that was converted before.
  private mutating func readModel() throws(BertError) -> ImportedModel {
    guard ModelFile.isOne(order.input) else {
      return try ModelImport.read(
        input: order.input, config: order.configuration, vocabulary: order.vocabulary,
        idsOnly: order.idsOnly, heads: order.heads
      ) { found = $0 }
    }
    if order.configuration != nil || order.vocabulary != nil || order.idsOnly || order.heads != nil
    {
      throw BertError(
        .usage, "is a .bertq file, which keeps the configuration and vocabulary it holds",
        file: order.input)
    }
    let model = try ImportedModel(stored: ModelFile.open(order.input))
    found = model.report
    return model
  }

  /// Checks before long work that what is written can be, and replaces nothing that is read.
  private func requireTargets(besides sources: [String]) throws(BertError) {
    try OutputFile.check([order.output, order.report].compactMap { $0 }, besides: sources)
  }

  private func calibrationInput(
    _ model: ModelDescription, _ tokenizer: Tokenizer?, _ watch: ConversionWatch
  ) throws(BertError) -> CalibrationInput? {
    if order.weights == .float || order.calibration == .none { return nil }
    guard let tokenizer else {
      guard case .file = order.calibration else {
        watch(.note("the model has no vocabulary, so int8 weights are made without texts"))
        return nil
      }
      throw BertError(
        .unsupported, "calibration texts need a vocabulary, and the model has none",
        remedy: .nameVocabulary)
    }
    if case .file(let path) = order.calibration {
      return try .file(path, model: model, tokenizer: tokenizer)
    }
    let input = try CalibrationInput.builtIn(
      model: model, tokenizer: tokenizer)
    if input == nil {
      watch(
        .note(
          "the vocabulary knows no word of the built-in calibration texts, so int8 weights are made without texts; give "
            + "texts of its own language"))
    }
    return input
  }

  private func writeReport() throws(BertError) {
    guard let path = order.report, let found else { return }
    var object = found.json.objectValue ?? JSONObject()
    object["type_changes"] = .array(typeChanges(found))
    if let model {
      object["statistics"] = .array(model.statistics.map(\.json))
      object["settings"] = .array(try model.settings().map(\.json))
    }
    if let record { object["quantizer"] = record.json }
    try OutputFile.write(Array((JSON.object(object).text(pretty: true) + "\n").utf8), to: path)
  }

  /// Tensors that are stored as other numbers than they were published.
  private func typeChanges(_ report: ImportReport) -> [JSON] {
    report.mapped.compactMap { tensor in
      guard let types = stored[tensor.canonical], types != tensor.elementTypes else { return nil }
      return [
        "name": .string(tensor.canonical), "from": .array(tensor.elementTypes.map { .string($0) }),
        "to": .array(types.map { .string($0) }),
      ]
    }
  }
}
