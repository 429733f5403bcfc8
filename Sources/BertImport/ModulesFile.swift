import BertErrors
import BertModel
import ByteFiles
import JSONText
import TensorFiles

/// How a masked-word head's logits become weights of words.
struct SparseModule: Equatable {
  var weight = SparseWeight.log1pRelu
  /// Whether weights are summed over the tokens; the largest counts otherwise.
  var sums = false
}

/// What `modules.json` says of what follows the transformer: pooling, dense layers, normalisation.
struct SentenceModules {
  /// Nil where no pooling follows: the transformer has a head of its own.
  private(set) var recipe: EmbeddingRecipe?
  /// How the masked-word head's logits become a sparse vector, where that follows instead of pooling.
  private(set) var sparse: SparseModule?
  /// The weights of dense modules, by their places among the recipe's modules.
  private(set) var dense: [Int: DenseModule] = [:]
  /// How a vector of each token is made, where that follows instead of pooling.
  private(set) var tokens: TokenModules?
  /// The dense modules, in their order, by the stems of the tensors that they become.
  var denseModules: [(stem: String, module: DenseModule)] {
    dense.sorted { $0.key < $1.key }.map { (CanonicalName.module($0.key), $0.value) }
      + (tokens.map { [(CanonicalName.multiVector, $0.dense)] } ?? [])
  }
  private(set) var files: [String] = []
  private(set) var notices: [String] = []

  private let folder: String
  private let hiddenSize: Int
  /// Whether what comes in are a masked-word head's logits.
  private var givesLogits = false

  /// Reads the module list and the configurations of its modules.
  ///
  /// - Throws: `unsupported` with the module or mode that this package does not do; `malformed`.
  init(modules path: String, hiddenSize: Int) throws(BertError) {
    folder = Folder.parent(of: path)
    self.hiddenSize = hiddenSize
    let json = try ModelFiles.readJSON(path, limit: 1 << 20)
    do throws(BertError) {
      guard let modules = json.arrayValue else {
        throw BertError(.malformed, "is \(json.kind); expected a list of modules")
      }
      if modules.isEmpty { throw BertError(.malformed, "lists no module; expected a Transformer") }
      for (place, module) in modules.enumerated() { try read(module, place) }
    } catch {
      throw error.inFile(path)
    }
  }

  private mutating func read(_ module: JSON, _ place: Int) throws(BertError) {
    let type = module["type"]?.stringValue ?? "of no type"
    let isPooled = recipe != nil
    switch String(type.split(separator: ".").last ?? "") {
    case "Transformer" where place == 0: break
    case "MLMTransformer" where place == 0: givesLogits = true
    case "SpladePooling" where place == 1:
      sparse = try readSparse(try configuration(module, place, absent: "1_SpladePooling"))
    case "Dropout" where place > 0: break  // It does nothing once a model is trained.
    case "Pooling" where place > 0 && !isPooled && sparse == nil && tokens == nil && !givesLogits:
      try readPooling(try configuration(module, place, absent: "1_Pooling"))
    case "Normalize" where isPooled: recipe?.modules.append(.normalize)
    case "Dense" where isPooled:
      try readDense(try configuration(module, place, absent: "2_Dense"))
    case "Dense" where place == 1 && !givesLogits:
      let path = try configuration(module, place, absent: "1_Dense")
      tokens = try TokenModules(dense: path, hiddenSize: hiddenSize)
      files += tokens?.dense.files ?? []
    case "MultiVectorMask" where tokens?.hasMask == false:
      let path = try configuration(module, place, absent: "2_MultiVectorMask")
      try tokens?.readMask(path)
    case "Normalize" where tokens?.normalizes == false: tokens?.normalizes = true
    default: throw Self.refusal(type, place)
    }
  }

  /// Refuses a list that does not begin with a transformer.
  ///
  /// - Throws: `unsupported`, with what it begins with.
  static func requireTransformer(_ modules: JSON) throws(BertError) {
    guard let type = modules.arrayValue?.first?["type"]?.stringValue else { return }
    if ["Transformer", "MLMTransformer"].contains(type.split(separator: ".").last ?? "") { return }
    throw refusal(type, 0)
  }

  private static func refusal(_ type: String, _ place: Int) -> BertError {
    BertError(
      .unsupported,
      "module \(place) is '\(type.prefix(120))'; a Transformer, then Pooling, then any of Dense, "
        + "Normalize and Dropout, or a Transformer and SpladePooling, or a Transformer, Dense, "
        + "MultiVectorMask and Normalize are supported")
  }

  private mutating func configuration(
    _ module: JSON, _ place: Int, absent: String
  ) throws(BertError) -> String {
    let name = ModelFiles.modulePath(module["path"]?.stringValue ?? absent)
    guard Folder.isInside(name) else {
      throw BertError(
        .malformed, "the path of module \(place), '\(name.prefix(80))', leaves the folder")
    }
    let path = folder + "/" + name + "/config.json"
    files.append(path)
    return path
  }

  private mutating func readDense(_ path: String) throws(BertError) {
    guard let place = recipe?.modules.count,
      let width = recipe?.width(after: place, hiddenSize: hiddenSize)
    else { return }
    let module = try DenseModule(path, inputs: width, of: "sentence_embedding")
    recipe?.modules.append(.dense(outputs: module.outputs, module.activation))
    files += module.files
    dense[place] = module
  }

  // MARK: Sparse vectors

  private mutating func readSparse(_ path: String) throws(BertError) -> SparseModule {
    let json = try ModelFiles.readJSON(path, limit: 1 << 20)
    do throws(BertError) {
      var made = SparseModule()
      switch try json.text("pooling_strategy") ?? "max" {
      case "max": made.sums = false
      case "sum": made.sums = true
      case let other:
        throw BertError(
          .unsupported, "pooling_strategy is '\(other.prefix(80))'; max and sum are supported")
      }
      switch try json.text("activation_function") ?? "relu" {
      case "relu": made.weight = .log1pRelu
      case "log1p_relu": made.weight = .log1pLog1pRelu
      case let other:
        throw BertError(
          .unsupported,
          "activation_function is '\(other.prefix(80))'; relu and log1p_relu are supported")
      }
      let known = [
        "pooling_strategy", "activation_function", "embedding_dimension",
        "word_embedding_dimension", "chunk_size",
      ]
      let unread = (json.objectValue?.keys ?? []).filter { !known.contains($0) }
      if !unread.isEmpty {
        notices.append("members of SpladePooling that are ignored: " + unread.listed)
      }
      return made
    } catch {
      throw error.inFile(path)
    }
  }

  // MARK: Pooling

  /// Flags in the order in which their vectors are put end to end, and the names that lists have for them.
  private static let modes: [(flag: String, names: [String], pooling: Pooling)] = [
    ("pooling_mode_cls_token", ["cls", "cls_token"], .cls),
    ("pooling_mode_max_tokens", ["max", "max_tokens"], .max),
    ("pooling_mode_mean_tokens", ["mean", "mean_tokens"], .mean),
    (
      "pooling_mode_mean_sqrt_len_tokens", ["mean_sqrt_len_tokens", "mean_sqrt_len"],
      .meanSqrtLength
    ),
    (
      "pooling_mode_weightedmean_tokens", ["weightedmean", "weightedmean_tokens"], .weightedMean
    ),
    ("pooling_mode_lasttoken", ["lasttoken"], .lastToken),
  ]

  private mutating func readPooling(_ path: String) throws(BertError) {
    let json = try ModelFiles.readJSON(path, limit: 1 << 20)
    do throws(BertError) {
      var made = EmbeddingRecipe()
      made.poolings = try Self.poolings(json)
      made.poolsPrompt = try json.flag("include_prompt") ?? true
      for key in ["word_embedding_dimension", "embedding_dimension"] {
        guard let size = json[key] else { continue }
        if size != .integer(hiddenSize) {
          throw BertError(
            .malformed,
            "\(key) is \(size.text().prefix(40)), but the model's hidden_size is \(hiddenSize)")
        }
      }
      let known =
        Self.modes.map(\.flag) + [
          "word_embedding_dimension", "embedding_dimension", "pooling_mode", "include_prompt",
        ]
      let unread = (json.objectValue?.keys ?? []).filter { !known.contains($0) }
      if let unread = unread.first(where: { $0.hasPrefix("pooling_mode") }) {
        throw BertError(.unsupported, "\(unread.prefix(80)) is not known")
      }
      if !unread.isEmpty {
        notices.append("members of the pooling that are ignored: " + unread.listed)
      }
      recipe = made
    } catch {
      throw error.inFile(path)
    }
  }

  private static func poolings(_ json: JSON) throws(BertError) -> [Pooling] {
    var flagged: [Pooling] = []
    for mode in modes where try json.flag(mode.flag) == true { flagged.append(mode.pooling) }
    guard let value = json["pooling_mode"], !value.isNull else {
      return flagged.isEmpty ? [.mean] : flagged
    }
    let names = value.arrayValue ?? [value]
    var poolings: [Pooling] = []
    for name in names {
      guard let mode = modes.first(where: { $0.names.contains(name.stringValue ?? "") }) else {
        throw BertError(
          .unsupported,
          "the pooling mode \(name.text().prefix(80)) is not known; "
            + modes.map { $0.names[0] }.joined(separator: ", ") + " are")
      }
      poolings.append(mode.pooling)
    }
    if poolings.isEmpty { throw BertError(.malformed, "pooling_mode names no mode") }
    return poolings
  }
}

/// `config_sentence_transformers.json`: what is put before texts, how many numbers are kept, what makes a score.
struct SentenceSettings {
  private(set) var prompts: [Prompt] = []
  private(set) var defaultPrompt: String?
  private(set) var dimensions: Int?
  private(set) var scoreActivation: OutputActivation?
  /// What the file holds, for what is said of vectors of tokens.
  private(set) var json = JSON.null
  private(set) var notices: [String] = []

  /// Reads the file.
  ///
  /// - Throws: `malformed`, or `unsupported` with the member.
  init(_ path: String) throws(BertError) {
    json = try ModelFiles.readJSON(path, limit: 4 << 20)
    do throws(BertError) { try read(json) } catch { throw error.inFile(path) }
  }

  private static let known = [
    "__version__", "prompts", "default_prompt_name", "similarity_fn_name", "model_type",
    "truncate_dim", "activation_fn", "max_active_dims",
  ]

  private mutating func read(_ json: JSON) throws(BertError) {
    guard let object = json.objectValue else {
      throw BertError(.malformed, "is \(json.kind); expected an object")
    }
    if let value = json["prompts"], !value.isNull {
      guard let map = value.objectValue else {
        throw BertError(.malformed, "prompts is \(value.kind); expected an object")
      }
      for (name, text) in map {
        guard text.isNull || text.stringValue != nil else {
          throw BertError(
            .malformed, "the prompt '\(name.prefix(80))' is \(text.kind); expected a string")
        }
        prompts.append(Prompt(name, text.stringValue ?? ""))
      }
    }
    if let name = try json.text("default_prompt_name") {
      guard let prompt = prompts.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
        throw BertError(
          .malformed,
          "default_prompt_name is '\(name.prefix(80))', which none of the \(prompts.count) prompts "
            + "has")
      }
      if !prompt.text.isEmpty {
        defaultPrompt = name
        notices.append(
          "the prompt '\(name.prefix(40))' is put before every text: "
            + JSON.string(String(prompt.text.prefix(80))).text())
      }
    }
    if let value = json["truncate_dim"], !value.isNull {
      guard let count = value.integerValue, count >= 1 else {
        throw BertError(
          .malformed, "truncate_dim is \(value.text().prefix(40)); expected a number from 1 on")
      }
      dimensions = count
    }
    if json["activation_fn"] != nil {
      scoreActivation = try DenseModule.activation(json["activation_fn"], absent: .identity)
    }
    if let most = json["max_active_dims"], !most.isNull {
      throw BertError(
        .unsupported,
        "max_active_dims is \(most.text().prefix(40)); only null, which keeps all weights, is supported"
      )
    }
    let unread = object.keys.filter {
      !Self.known.contains($0) && !TokenSettings.publishedKeys.contains($0)
    }
    if !unread.isEmpty {
      notices.append(
        "members of config_sentence_transformers.json that are ignored: " + unread.listed)
    }
  }
}
