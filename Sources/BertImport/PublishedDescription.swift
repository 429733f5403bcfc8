import BertErrors
import BertModel
import TensorFiles

/// All that a publisher says of a model beside its tensors and its tokenizer, put together.
struct Publication {
  let configuration: ConfigurationFile
  let path: String
  let architecture: Architecture?
  let modules: SentenceModules?
  let modulesPath: String?
  let settings: SentenceSettings?

  /// Describes the model, without its tokenizer.
  ///
  /// - Throws: `malformed` or `unsupported` where what a model needs is missing or contradicts itself.
  func description(_ plan: TensorPlan) throws(BertError) -> ModelDescription {
    var description = ModelDescription(configuration: configuration.configuration)
    try describeEmbedding(&description, plan)
    try describeHead(&description, plan)
    description.prompts = settings?.prompts ?? []
    description.defaultPrompt = settings?.defaultPrompt
    description.provenance.publishedName = configuration.publishedName
    description.provenance.architectures = configuration.architectures
    return description
  }

  private func describeEmbedding(
    _ description: inout ModelDescription, _ plan: TensorPlan
  ) throws(BertError) {
    let recipe = modules?.recipe
    description.task =
      recipe != nil
      ? .embedding
      : modules?.sparse != nil
        ? .sparse
        : architecture?.task
          ?? Architecture.suggestedTask(heads: plan.heads, hasPooler: plan.hasPooler)
    if modules != nil && recipe == nil && plan.heads.isEmpty {
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
    description.embedding.dimensions = settings?.dimensions
    do throws(BertError) {
      try description.embedding.validate(hiddenSize: configuration.configuration.hiddenSize)
    } catch {
      throw error.inFile(modulesPath ?? path)
    }
  }

  private func describeHead(
    _ description: inout ModelDescription, _ plan: TensorPlan
  ) throws(BertError) {
    if plan.heads.isEmpty { return }
    var head = HeadSettings()
    head.problemType = configuration.problemType
    if plan.heads.contains(.classifier) {
      if let problem = configuration.labelProblem, !fillsLabels { throw problem.inFile(path) }
      if architecture?.hasOneLogit != true { head.labels = labels(plan) }
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
