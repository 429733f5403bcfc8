import BertErrors
import JSONText

/// The class that publishes a tokenizer: it decides which file rules.
///
/// - For BERT's own classes, and where none is named, `tokenizer.json` gives the vocabulary and the rules, and
///   the flags that `tokenizer_config.json` names override it. The published library makes the rest by itself
///   (`[CLS] A [SEP]`, cleaning, splitting at punctuation): a `tokenizer.json` that says otherwise contradicts
///   it, and is refused.
/// - For the class of any pipeline, and for every model that is not WordPiece, `tokenizer.json` alone counts. (Some
///   versions of the published library build the pipeline of a named class anew and may split white space otherwise
///   than the file says; what the file says is what `tokenizers` computes, and what is computed here.)
enum TokenizerClass {
  case bert
  case pipeline

  /// Whether the class is RoBERTa's, which makes its pipeline of a byte-level vocabulary by itself.
  static func isRoberta(_ files: [JSON], unnamed: Family.DefaultTokenizer) -> Bool {
    let names = files.compactMap { $0["tokenizer_class"]?.stringValue }
    guard let name = names.first else { return unnamed == .roberta }
    return robertaNames.contains(name)
  }

  /// Whether the class is DeBERTa-v2's, which has special tokens of its own, and makes its pipeline of a SentencePiece model
  /// by itself.
  static func isDebertaV2(_ files: [JSON], unnamed: Family.DefaultTokenizer) -> Bool {
    let names = files.compactMap { $0["tokenizer_class"]?.stringValue }
    guard let name = names.first else { return unnamed == .debertaV2 }
    return debertaNames.contains(name)
  }

  /// Finds the class, in `tokenizer_config.json` or else in `config.json`.
  ///
  /// - Throws: `unsupported` for another class, or where either file names another way to find words.
  init(
    tokenizer: (json: JSON, path: String)?, model: (json: JSON, path: String),
    unnamed: Family.DefaultTokenizer
  ) throws(BertError) {
    for file in [tokenizer, model].compactMap({ $0 }) {
      do throws(BertError) { try Self.requireOwnWords(file.json) } catch {
        throw error.inFile(file.path)
      }
    }
    for file in [tokenizer, model].compactMap({ $0 }) {
      guard let value = file.json["tokenizer_class"], !value.isNull else { continue }
      guard let name = value.stringValue else {
        throw BertError(
          .malformed, "tokenizer_class is \(value.kind); expected a string", file: file.path)
      }
      if Self.bertNames.contains(name) {
        self = .bert
      } else if Self.pipelineNames.contains(name) || Self.debertaNames.contains(name) {
        self = .pipeline
      } else {
        throw BertError(
          .unsupported,
          "tokenizer_class is '\(name.prefix(80))'; BertTokenizer, RobertaTokenizer, XLMRobertaTokenizer and "
            + "their like are supported",
          file: file.path)
      }
      return
    }
    self = unnamed == .bert ? .bert : .pipeline
  }

  private static let bertNames: Set<String> = [
    "BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast",
    "ElectraTokenizer", "ElectraTokenizerFast", "RetriBertTokenizer", "RetriBertTokenizerFast",
    "DPRQuestionEncoderTokenizer", "DPRQuestionEncoderTokenizerFast", "DPRContextEncoderTokenizer",
    "DPRContextEncoderTokenizerFast",
  ]
  private static let robertaNames: Set<String> = [
    "RobertaTokenizer", "RobertaTokenizerFast", "BartTokenizer", "BartTokenizerFast",
  ]
  private static let debertaNames: Set<String> = ["DebertaV2Tokenizer", "DebertaV2TokenizerFast"]
  private static let pipelineNames: Set<String> = [
    "PreTrainedTokenizerFast", "TokenizersBackend", "RobertaTokenizer", "RobertaTokenizerFast",
    "XLMRobertaTokenizer", "XLMRobertaTokenizerFast", "CamembertTokenizer",
    "CamembertTokenizerFast", "MPNetTokenizer", "MPNetTokenizerFast", "GPT2Tokenizer",
    "GPT2TokenizerFast", "BartTokenizer", "BartTokenizerFast", "LongformerTokenizer",
    "LongformerTokenizerFast", "AlbertTokenizer", "AlbertTokenizerFast",
  ]

  /// Members with which tokenizers of other languages say that words or pieces are found another way, and the
  /// values that mean BERT's.
  private static let foreignMembers: [(key: String, own: [JSON])] = [
    ("word_tokenizer_type", ["basic"]), ("subword_tokenizer_type", ["wordpiece"]),
    ("do_word_tokenize", [true]), ("do_subword_tokenize", [true]), ("mecab_kwargs", [[:]]),
    ("sudachi_kwargs", [[:]]), ("jumanpp_kwargs", [[:]]), ("do_basic_tokenize", [true]),
    ("split_special_tokens", [false]), ("add_bos_token", [false]), ("add_eos_token", [false]),
    ("split_by_punct", [false]), ("subword_type", ["wordpiece"]), ("word_segmenter", []),
    ("vncorenlp", []),
  ]

  private static func requireOwnWords(_ json: JSON) throws(BertError) {
    for (key, own) in foreignMembers {
      guard let value = json[key], !value.isNull, !own.contains(value) else { continue }
      let expected = own.first.map { "only \($0.text()) is supported" } ?? "that is not supported"
      throw BertError(.unsupported, "\(key) is \(value.text().prefix(80)); \(expected)")
    }
  }
}
