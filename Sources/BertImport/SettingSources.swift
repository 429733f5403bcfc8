import BertErrors
import BertModel
import ByteFiles
import JSONText

/// A setting of a model, and where it was said.
package struct SourcedSetting: Sendable, Equatable {
  /// Its name, as the publisher's files have it.
  package let name: String
  /// What it is.
  package let value: JSON
  /// The files that say so; empty where none does, and the default holds.
  package let files: [String]
  /// Whether whoever converts said it.
  package var isAskedFor = false

  /// The same for programs.
  package var json: JSON {
    [
      "name": .string(name), "value": value,
      "from": isAskedFor
        ? "asked for" : files.isEmpty ? "default" : .array(files.map { .string($0) }),
    ]
  }
}

/// Which of the files beside a checkpoint gave which setting.
///
/// A setting comes from those files that say what holds in the end: where two disagree, one of them is not named.
struct SettingSources: Sendable {
  private let files: ModelFiles
  private let configuration: JSON
  /// The pooling module's file.
  private let pooling: String?
  private let hasTokenizer: Bool
  /// Whether no file gave the number of attention heads.
  private let headsAreAskedFor: Bool

  init(
    files: ModelFiles, configuration: ConfigurationFile, pooling: String?, hasTokenizer: Bool
  ) {
    self.files = files
    self.configuration = configuration.json
    headsAreAskedFor = configuration.headsAreAskedFor
    self.pooling = pooling
    self.hasTokenizer = hasTokenizer
  }

  /// The file that the vocabulary was read from.
  var vocabulary: String? {
    hasTokenizer ? files.tokenizer ?? files.bytePairs?.vocabulary ?? files.vocabulary : nil
  }

  /// A file, and what it says.
  private typealias Saying = (path: String, value: JSON?)

  private func setting(_ name: String, _ value: JSON, _ sayings: [Saying]) -> SourcedSetting {
    let said = sayings.filter { $0.value == value }.map { Folder.name(of: $0.path) }
    return SourcedSetting(name: name, value: value, files: said)
  }

  /// All settings.
  ///
  /// - Throws: as reading the files does.
  func list(_ model: ModelDescription) throws(BertError) -> [SourcedSetting] {
    var list = sizes(model) + head(model)
    list += try vectors(model)
    if hasTokenizer, let settings = model.tokenizer { list += try tokenizer(settings) }
    return list
  }

  private func sizes(_ model: ModelDescription) -> [SourcedSetting] {
    let c = model.configuration
    let sizes = [
      ("vocab_size", c.vocabularySize), ("hidden_size", c.hiddenSize),
      ("num_hidden_layers", c.layerCount), ("num_attention_heads", c.headCount),
      ("intermediate_size", c.intermediateSize), ("max_position_embeddings", c.maximumPositions),
      ("type_vocab_size", c.tokenTypeCount),
    ]
    return sizes.map { name, value in
      if name == "num_attention_heads", headsAreAskedFor {
        return SourcedSetting(name: name, value: .integer(value), files: [], isAskedFor: true)
      }
      // Only this one has a default; of the others families have names of their own.
      let files = name == "type_vocab_size" ? said(name) : [Folder.name(of: files.configuration)]
      return SourcedSetting(name: name, value: .integer(value), files: files)
    } + [
      SourcedSetting(
        name: "hidden_act", value: .string(c.activation.rawValue),
        files: said("hidden_act") + said("activation")),
      SourcedSetting(
        name: "layer_norm_eps", value: .number(Double(c.layerNormEpsilon)),
        files: said("layer_norm_eps")),
      SourcedSetting(
        name: "task", value: .string(model.task.rawValue), files: said("architectures")),
    ]
  }

  /// The configuration, where it has a member.
  private func said(_ key: String) -> [String] {
    configuration[key].map { $0.isNull } == false ? [Folder.name(of: files.configuration)] : []
  }

  private func head(_ model: ModelDescription) -> [SourcedSetting] {
    guard let head = model.head else { return [] }
    var list = [
      SourcedSetting(
        name: "problem_type", value: .string(head.problemType), files: said("problem_type"))
    ]
    if !head.labels.isEmpty {
      list.append(
        SourcedSetting(
          name: "id2label", value: .array(head.labels.map { .string($0) }), files: said("id2label"))
      )
    }
    return list
  }

  private func vectors(_ model: ModelDescription) throws(BertError) -> [SourcedSetting] {
    let recipe = model.embedding
    func name(_ path: String?) -> [String] { path.map { [Folder.name(of: $0)] } ?? [] }
    var list = [
      SourcedSetting(
        name: "pooling", value: .array(recipe.poolings.map { .string($0.rawValue) }),
        files: pooling.map { ["\(Folder.name(of: Folder.parent(of: $0)))/\(Folder.name(of: $0))"] }
          ?? []),
      SourcedSetting(
        name: "modules behind it", value: .integer(recipe.modules.count),
        files: name(pooling == nil ? nil : files.modules)),
    ]
    guard let path = files.promptConfiguration else { return list }
    list += [
      SourcedSetting(
        name: "prompts", value: .array(model.prompts.map { .string($0.name) }), files: name(path)),
      SourcedSetting(
        name: "default_prompt_name", value: model.defaultPrompt.map { .string($0) } ?? .null,
        files: name(path)),
      SourcedSetting(
        name: "truncate_dim", value: recipe.dimensions.map { .integer($0) } ?? .null,
        files: name(path)),
    ]
    return list
  }

  private func tokenizer(_ settings: TokenizerSettings) throws(BertError) -> [SourcedSetting] {
    func read(_ path: String?) throws(BertError) -> JSON {
      try path.map { path throws(BertError) in
        try ModelFiles.readJSON(path, limit: VocabularyFile.longestFile)
      } ?? .null
    }
    let own = try read(files.tokenizerConfiguration)
    let pipeline = try read(files.tokenizer)
    let special = try read(files.specialTokens)
    let sentences = try read(files.sentenceConfiguration)
    let (ownPath, pipelinePath) = (files.tokenizerConfiguration ?? "", files.tokenizer ?? "")
    var list = [
      SourcedSetting(
        name: "vocabulary", value: .string(settings.kind.name),
        files: [files.tokenizer ?? files.vocabulary].compactMap { $0 }.map { Folder.name(of: $0) })
    ]
    if let rules = settings.wordPiece {
      let normalizer = pipeline["normalizer"] ?? .null
      let flags: [(String, String, JSON)] = [
        ("do_lower_case", "lowercase", .bool(rules.lowercase)),
        ("strip_accents", "strip_accents", rules.stripAccents.map { .bool($0) } ?? .null),
        ("tokenize_chinese_chars", "handle_chinese_chars", .bool(rules.spaceChinese)),
      ]
      list += flags.map { name, other, value in
        setting(
          name, value,
          [
            (ownPath, own[name]), (pipelinePath, normalizer[other]),
            (files.sentenceConfiguration ?? "", sentences[name]),
          ])
      }
    }
    let tokens = [
      ("unk_token", settings.unknownToken), ("sep_token", settings.separatorToken),
      ("pad_token", settings.padToken), ("cls_token", settings.classToken),
      ("mask_token", settings.maskToken),
    ]
    list += tokens.map { name, text in
      setting(
        name, .string(text),
        [
          (ownPath, own[name]?["content"] ?? own[name]),
          (files.specialTokens ?? "", special[name]?["content"] ?? special[name]),
          (pipelinePath, name == "unk_token" ? pipeline["model"]?["unk_token"] : nil),
        ])
    }
    list.append(
      setting(
        "model_max_length", settings.maximumTokens.map { .integer($0) } ?? .null,
        [
          (files.sentenceConfiguration ?? "", sentences["max_seq_length"]),
          (ownPath, own["model_max_length"] ?? own["max_len"]),
        ]))
    let direction = pipeline["truncation"]?["direction"]?.stringValue
    list.append(
      setting(
        "truncation_side", .string(settings.cutsLeft ? "left" : "right"),
        [
          (ownPath, own["truncation_side"]),
          (pipelinePath, direction.map { .string($0.lowercased()) }),
        ]))
    return list
  }
}
