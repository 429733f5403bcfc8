import BertErrors
import BertModel
import TensorFiles

/// All that a publisher says of a model beside its tensors and its tokenizer, put together.
struct Publication {
  let configuration: ConfigurationFile
  let files: ModelFiles
  let architecture: Architecture?
  let modules: SentenceModules?
  let settings: SentenceSettings?
  /// The vocabulary's tokens.
  let tokens: Set<[UInt8]>

  private var path: String { files.configuration }
  private var modulesPath: String? { files.modules }

  /// Describes the model, without its tokenizer.
  ///
  /// - Throws: `malformed` or `unsupported` where what a model needs is missing or contradicts itself.
  func description(_ plan: TensorPlan) throws(BertError) -> ModelDescription {
    var description = ModelDescription(configuration: configuration.configuration)
    try describeEmbedding(&description, plan)
    description.prompts = settings?.prompts ?? []
    description.defaultPrompt = settings?.defaultPrompt
    try describeHead(&description, plan)
    description.provenance.publishedName = configuration.publishedName
    description.provenance.architectures = configuration.architectures
    return description
  }

  private func describeEmbedding(
    _ description: inout ModelDescription, _ plan: TensorPlan
  ) throws(BertError) {
    let recipe = modules?.recipe ?? (modules == nil ? configuration.family.recipe : nil)
    description.task =
      recipe != nil
      ? .embedding
      : modules?.sparse != nil
        ? .sparse
        : modules?.tokens != nil
          ? .multiVector
          : architecture?.task
            ?? Architecture.suggestedTask(
              heads: plan.heads, hasPooler: plan.hasPooler, hasDense: plan.hasClassifierDense)
    if modules != nil && recipe == nil && plan.heads.isEmpty && modules?.tokens == nil {
      throw BertError(
        .unsupported, "lists no Pooling module, and the model has no head", file: modulesPath)
    }
    if modules?.sparse != nil && !plan.heads.contains(.maskedWords) {
      throw BertError(
        .unsupported, "lists SpladePooling, and the model has no masked-word head",
        file: modulesPath)
    }
    description.embedding = recipe ?? EmbeddingRecipe()
    description.embeddingIsPublished = recipe != nil
    let width = configuration.configuration.hiddenSize
    do throws(BertError) { try description.embedding.validate(hiddenSize: width) } catch {
      throw error.inFile(modulesPath ?? path)
    }
    description.embedding.dimensions = settings?.dimensions
    do throws(BertError) { try description.embedding.validate(hiddenSize: width) } catch {
      throw error.inFile(files.promptConfiguration ?? path)
    }
  }

  private func describeHead(
    _ description: inout ModelDescription, _ plan: TensorPlan
  ) throws(BertError) {
    let tokens = try tokenSettings(plan)
    if plan.heads.isEmpty && tokens == nil { return }
    var head = HeadSettings()
    if let tokens {
      head.multiVector = tokens.settings
      description.prompts = tokens.prompts
      if !description.prompts.contains(where: { $0.name == description.defaultPrompt }) {
        description.defaultPrompt = nil
      }
    }
    head.problemType = configuration.problemType
    if architecture?.hasIndependentLabels == true {
      head.problemType = "multi_label_classification"
    }
    let encoders = configuration.configuration.activation
    if plan.heads.contains(.maskedWords), let own = configuration.family.transformActivation,
      own != encoders
    {
      head.transformActivation = OutputActivation(own)
    }
    if plan.hasClassifierDense {
      head.denseActivation = denseActivation(OutputActivation(encoders))
      let readsTokens = description.task == .tag || !plan.heads.contains(.classifier)
      if !readsTokens { head.input = configuration.classifierInput }
    }
    if plan.heads.contains(.classifier) {
      if let problem = configuration.labelProblem, !fillsLabels { throw problem.inFile(path) }
      head.labels = architecture?.hasOneLogit == true ? architecture?.labels ?? [] : labels(plan)
      do throws(BertError) {
        let ofModel = try configuration.scoreActivation.get()
        head.scoreActivation = settings?.scoreActivation ?? ofModel
      } catch {
        throw error.inFile(path)
      }
    }
    if let sparse = modules?.sparse {
      head.sparseWeight = sparse.weight
      head.sumsSparseWeights = sparse.sums
    }
    description.head = head
  }

  /// How a text becomes vectors of its tokens, where it does.
  private func tokenSettings(_ plan: TensorPlan) throws(BertError) -> TokenSettings? {
    let prompts = settings?.prompts ?? []
    if let modules = modules?.tokens {
      let transformer = try files.sentenceConfiguration.map { (path) throws(BertError) in
        try ModelFiles.readJSON(path, limit: 1 << 20)
      }
      return try TokenSettings(
        modules, own: settings?.json ?? .null, transformer: transformer ?? .null,
        prompts: prompts, tokens: tokens)
    }
    guard plan.heads.contains(.multiVector), let width = plan.tokenWidth else { return nil }
    return try TokenSettings(
      metadata: files.colbertMetadata, width: width, prompts: prompts, tokens: tokens)
  }

  /// What follows the classifier's first linear.
  private func denseActivation(_ encoders: OutputActivation) -> OutputActivation? {
    if architecture?.denseActivation == .encoders { return encoders }
    return configuration.family.classifier.denseActivation
  }

  /// Whether all that is wrong with the labels is that some have no name.
  private var fillsLabels: Bool { configuration.labels.count == configuration.labelCount }

  private func labels(_ plan: TensorPlan) -> [String] {
    if !configuration.labels.isEmpty { return configuration.labels }
    let bias = plan.tensors.first { $0.requirement.name == CanonicalName.classifier + ".bias" }
    return (0..<(bias?.requirement.shape[0] ?? 0)).map { "LABEL_\($0)" }
  }

  /// What is odd and does no harm.
  func notices(_ plan: TensorPlan) -> [String] {
    guard let problem = configuration.labelProblem else { return [] }
    return plan.heads.contains(.classifier)
      ? [problem.message + "; those without a name are called LABEL_ and their number"]
      : [problem.message + "; the model has no classifier, so the labels are not used"]
  }

  /// Whether the pooler is to be left out: nothing uses it, and its values are not finite.
  func dropsPooler(_ plan: TensorPlan, _ checkpoint: Checkpoint) throws(BertError) -> Bool {
    let usesPooler =
      architecture?.needsPooler == true || modules?.recipe?.poolings.contains(.pooler) == true
      || plan.heads.contains(.nextSentence)
      || plan.heads.contains(.classifier) && architecture?.task != .tag
        && !plan.hasClassifierDense
    if !plan.hasPooler || usesPooler { return false }
    let names = Set(configuration.configuration.poolerTensors.map(\.name))
    for tensor in plan.tensors where names.contains(tensor.requirement.name) {
      for part in tensor.parts {
        if try !checkpoint.readFloat32(part.info.name).allSatisfy(\.isFinite) { return true }
      }
    }
    return false
  }
}
