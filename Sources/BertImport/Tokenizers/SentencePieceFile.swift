import BertErrors
import ByteFiles
import JSONText
import TensorFiles

/// `spm.model`: a Unigram model of SentencePiece, as DeBERTa-v2's class publishes it without a `tokenizer.json`.
///
/// The file is a message `ModelProto` of SentencePiece: pieces with their scores, what the trainer was told, and the
/// normaliser.
struct SentencePieceFile {
  private enum Kind: Int {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  private let path: String
  private var pieces: [(text: String, score: Float, kind: Kind)] = []
  private var unknownID: Int?
  private var charsmap: [UInt8] = []

  /// The longest piece that is read, and the largest table of a normaliser: published ones have some hundred kilobytes.
  private static let longestPiece = 1 << 12
  private static let largestTable = 8 << 20

  /// Reads a file.
  ///
  /// - Parameter rows: the model's word embeddings.
  /// - Throws: `unsupported` for a model that is no Unigram, or that treats spaces otherwise; `malformed`.
  init(_ path: String, rows: Int) throws(BertError) {
    self.path = path
    let bytes = try InputFile(path).allBytes(limit: VocabularyFile.longestFile)
    if let foreign = ForeignText(bytes) {
      throw BertError(.malformed, foreign.sentence, file: path, byteOffset: 0)
    }
    do throws(BertError) {
      var file = ProtobufReader("the SentencePiece model", bytes)
      while let (field, value) = try file.next() {
        switch field {
        case 1:
          guard pieces.count < rows + VocabularyFile.mostSpareLines else {
            throw file.damaged(
              "has more than \(pieces.count) pieces; the model has embeddings for \(rows)")
          }
          try addPiece(file.message(value, "pieces", as: "a piece"))
        case 2: try readTrainer(file.message(value, "trainer_spec", as: "the trainer's settings"))
        case 3: try readNormalizer(file.message(value, "normalizer_spec", as: "the normaliser"))
        default: break  // How texts are made of pieces again, and tests.
        }
      }
      if unknownID == nil { throw BertError(.malformed, "has no unknown piece") }
    } catch {
      throw error.inFile(path)
    }
  }

  private mutating func addPiece(_ message: ProtobufReader) throws(BertError) {
    var message = message
    var (text, score, kind) = ("", Float(0), Kind.normal)
    while let (field, value) = try message.next() {
      switch field {
      case 1: text = try message.text(value, "piece", limit: Self.longestPiece)
      case 2: score = Float(bitPattern: try message.fixed32(value, "score"))
      case 3:
        let number = try message.integer(value, "type")
        guard let known = Kind(rawValue: number) else {
          throw BertError(.unsupported, "the piece \(pieces.count) is of the type \(number)")
        }
        kind = known
      default: break
      }
    }
    if kind == .byte {
      throw BertError(
        .unsupported, "the piece \(pieces.count) is a byte; a model without bytes is supported")
    }
    if kind == .unknown {
      // SentencePiece goes by the kind, whatever id the trainer was told.
      guard unknownID == nil else {
        throw BertError(.malformed, "has two unknown pieces")
      }
      unknownID = pieces.count
    }
    pieces.append((text, score, kind))
  }

  private mutating func readTrainer(_ message: ProtobufReader) throws(BertError) {
    var message = message
    while let (field, value) = try message.next() {
      switch field {
      case 3:
        guard try message.integer(value, "model_type") == 1 else {
          throw BertError(.unsupported, "its model_type is not Unigram")
        }
      case 24:
        if try message.integer(value, "treat_whitespace_as_suffix") != 0 {
          throw BertError(
            .unsupported, "treat_whitespace_as_suffix is true; only false is supported")
        }
      case 35:
        if try message.integer(value, "byte_fallback") != 0 {
          throw BertError(.unsupported, "byte_fallback is true; only false is supported")
        }
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ message: ProtobufReader) throws(BertError) {
    var message = message
    while let (field, value) = try message.next() {
      switch field {
      case 2: charsmap = try message.data(value, "precompiled_charsmap", limit: Self.largestTable)
      case 3, 5:
        let key = field == 3 ? "add_dummy_prefix" : "escape_whitespaces"
        if try message.integer(value, key) == 0 {
          throw BertError(.unsupported, "\(key) is false; only true is supported")
        }
      default: break
      }
    }
  }

  /// The `tokenizer.json` that the class makes of it.
  ///
  /// - Parameters:
  ///   - named: special tokens by member; the frame is made of them.
  ///   - configuration: `tokenizer_config.json`.
  /// - Throws: `unsupported` where the vocabulary lacks a token of the frame; `malformed`.
  func pipeline(
    named: [String: PublishedToken], configuration: JSON, rows: Int
  ) throws(BertError) -> TokenizerPipeline {
    func special(_ key: String, _ text: String) throws(BertError) -> (text: String, id: Int) {
      let text = named[key]?.text ?? text
      guard let id = pieces.firstIndex(where: { $0.text == text }) else {
        throw BertError(
          .unsupported, "has no \(key) '\(text.prefix(80))'", file: path, remedy: .convertForIDs)
      }
      return (text, id)
    }
    let (start, end) = (try special("cls_token", "[CLS]"), try special("sep_token", "[SEP]"))
    func token(_ text: String, _ type: Int) -> JSON {
      ["SpecialToken": ["id": .string(text), "type_id": .integer(type)]]
    }
    func sequence(_ name: JSON, _ type: Int) -> JSON {
      ["Sequence": ["id": name, "type_id": .integer(type)]]
    }
    func ids(_ special: (text: String, id: Int)) -> JSON {
      [
        "id": .string(special.text), "ids": [.integer(special.id)],
        "tokens": [.string(special.text)],
      ]
    }
    let single = [token(start.text, 0), sequence("A", 0), token(end.text, 0)]
    var steps: [JSON] =
      try configuration.flag("do_lower_case") == true ? [["type": "Lowercase"]] : []
    steps.append(["type": "Strip", "strip_left": .bool(true), "strip_right": .bool(true)])
    if !charsmap.isEmpty {
      steps.append(["type": "Precompiled", "precompiled_charsmap": .string(Base64.text(charsmap))])
    }
    steps.append(["type": "Replace", "pattern": ["Regex": " {2,}"], "content": " "])
    let vocabulary = pieces.map { JSON.array([.string($0.text), .number(Double($0.score))]) }
    let json: JSON = [
      "model": [
        "type": "Unigram", "unk_id": .integer(unknownID ?? 0), "vocab": .array(vocabulary),
      ],
      "added_tokens": .array(added),
      "normalizer": ["type": "Sequence", "normalizers": .array(steps)],
      "pre_tokenizer": [
        "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always",
      ],
      "post_processor": [
        "type": "TemplateProcessing", "single": .array(single),
        "pair": .array(single + [sequence("B", 1), token(end.text, 1)]),
        "special_tokens": .object(
          JSONObject([(start.text, ids(start)), (end.text, ids(end))])),
      ],
    ]
    return try TokenizerPipeline(json, rows: rows)
  }

  /// Pieces that are found in a text as they stand.
  private var added: [JSON] {
    pieces.enumerated().filter { $0.element.kind == .control || $0.element.kind == .userDefined }
      .map { id, piece in
        [
          "id": .integer(id), "content": .string(piece.text), "normalized": .bool(false),
          "special": .bool(piece.kind == .control),
        ]
      }
  }
}
