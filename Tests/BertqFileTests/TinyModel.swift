import BertErrors
import BertModel
import BertqFile
import Fixtures
import SystemLibrary

/// A model of one layer whose every element follows from its tensor's name and its index.
struct TinyModel {
  var description: ModelDescription
  var tensors: [BertqTensor]
  var quantizer: [BertqSetting] = []
  var drift: ConversionDrift?

  /// Which weights it holds.
  enum Weights { case both, float, int8 }

  static let configuration = BertConfiguration(
    vocabularySize: 70, hiddenSize: 8, layerCount: 1, headCount: 2, intermediateSize: 12,
    maximumPositions: 16, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu)

  /// A relative of BERT: a narrow embedding, three layers of one layer's tensors, gates, turned queries, no positions.
  static var relative: TinyModel {
    var c = configuration
    c.embeddingSize = 5
    c.layerCount = 3
    c.storedLayers = 1
    c.gatesFeedForward = true
    c.lacksPositions = true
    c.rotarySize = 2
    c.activation = .silu
    return TinyModel(.both, hasPooler: true, configuration: c)
  }

  /// Another: norms first, windows of attention, turned queries, no positions.
  static var modern: TinyModel {
    var c = configuration
    c.layerCount = 1
    c.gatesFeedForward = true
    c.lacksPositions = true
    c.rotarySize = 4
    c.normalizesFirst = true
    c.window = AttentionWindow(reach: 3, wholeEvery: 2)
    return TinyModel(.both, configuration: c)
  }

  /// Another: two layers with terms of scores by distance, no positions.
  static var terms: TinyModel {
    var c = configuration
    c.layerCount = 2
    c.storedLayers = 1
    c.lacksPositions = true
    c.relative = RelativeTerms(starts: [0, 1, 2, 300], hasKeys: true, hasQueries: true)
    return TinyModel(.both, configuration: c)
  }

  /// With nothing optional set.
  init(
    _ weights: Weights = .both, hasPooler: Bool = false,
    configuration c: BertConfiguration = TinyModel.configuration
  ) {
    description = ModelDescription(configuration: c)
    var required = c.sharedTensors
    if weights != .int8 { required += c.floatLinearTensors }
    if hasPooler { required += c.poolerTensors }
    tensors = required.map { BertqTensor($0.name, .float32, $0.layout, $0.shape) }
    if weights == .float { return }
    for site in LinearSite.allCases {
      let name = CanonicalName.linear(0, site) + ".int8"
      let (n, k) = (site.outputs(c), site.inputs(c))
      tensors += [
        BertqTensor(name + ".weight", .int8, .int8Panels, [n, k]),
        BertqTensor(name + ".scale", .float32, .rowMajor, [n]),
        BertqTensor(name + ".sum", .int32, .rowMajor, [n]),
      ]
    }
  }

  /// With everything set that can be.
  static var full: TinyModel {
    var model = TinyModel(.both, hasPooler: true)
    var tokenizer = TokenizerSettings()
    var rules = WordPieceRules()
    rules.lowercase = false
    rules.stripAccents = true
    rules.spaceChinese = false
    rules.maximumWordLength = 77
    rules.continuationPrefix = "··"
    tokenizer.kind = .wordPiece(rules)
    tokenizer.unknownToken = "<unk>"
    tokenizer.classToken = "<s>"
    tokenizer.separatorToken = "</s>"
    tokenizer.padToken = "<pad>"
    tokenizer.maskToken = "<mask>"
    tokenizer.maximumTokens = 15
    tokenizer.cutsLeft = true
    tokenizer.single = [
      TemplatePiece(.token("<s>")), TemplatePiece(.firstText), TemplatePiece(.token("</s>")),
    ]
    tokenizer.pair =
      tokenizer.single + [
        TemplatePiece(.token("</s>")), TemplatePiece(.secondText, tokenType: 1),
        TemplatePiece(.token("</s>"), tokenType: 1),
      ]
    var mask = AddedToken("<mask>", id: 4)
    (mask.takesSpaceBefore, mask.isSingleWord) = (true, true)
    var word = AddedToken("ß", id: 69)
    (word.takesSpaceBehind, word.isNormalized, word.isSpecial) = (true, true, false)
    tokenizer.addedTokens = [mask, word]
    model.description.tokenizer = tokenizer
    model.description.embedding.poolings = [.pooler, .max, .meanSqrtLength]
    model.description.embedding.poolsPrompt = false
    model.description.embedding.modules = [.dense(outputs: 5, .sigmoid), .normalize]
    model.description.embedding.dimensions = 4
    model.description.embeddingIsPublished = true
    model.description.task = .classify
    var head = HeadSettings(
      labels: ["négatif", "", "陽性", "👍"], problemType: "multi_label_classification")
    head.scoreActivation = .sigmoid
    head.input = .cls
    head.denseActivation = .gelu
    head.transformActivation = .relu
    head.sparseWeight = .log1pRelu
    head.sumsSparseWeights = true
    var vectors = MultiVectorSettings(dimensions: 3)
    (vectors.queryMarker, vectors.documentMarker) = ("[Q]", "[D]")
    (vectors.queryLength, vectors.documentLength) = (32, 180)
    (vectors.fillsQueries, vectors.hidesFilling) = (true, true)
    vectors.skippedTokens = [".", ","]
    head.multiVector = vectors
    model.description.head = head
    model.description.prompts = [Prompt("query", "query: "), Prompt("passage", "")]
    model.description.defaultPrompt = "query"
    model.drift = ConversionDrift(
      source: "held-out texts", texts: 12, tokens: 345, sqnr: 34.5, meanCosine: 0.9999,
      worstCosine: 0.99)
    model.description.configuration.activation = .geluTanh
    model.description.provenance.source = "model.safetensors"
    model.description.provenance.publishedName = "tiny/made-up"
    model.description.provenance.architectures = ["BertForSequenceClassification", "Other"]
    model.description.provenance.elementType = "BF16"
    model.quantizer = [BertqSetting("rounding", "nearest-even"), BertqSetting("texts", "0")]
    model.tensors += [
      BertqTensor("tokenizer.vocabulary", .uint8, .rowMajor, [333]),
      BertqTensor("module.0.weight", .float32, .floatPanels, [5, 24]),
      BertqTensor("module.0.bias", .float32, .rowMajor, [5]),
      BertqTensor("head.classifier.weight", .float32, .floatPanels, [4, 8]),
      BertqTensor("head.classifier.bias", .float32, .rowMajor, [4]),
      BertqTensor("head.classifier.int8.weight", .int8, .int8Panels, [4, 8]),
      BertqTensor("embeddings.int8.word", .int8, .rowMajor, [70, 8]),
      BertqTensor("embeddings.int8.word.scale", .float32, .rowMajor, [70, 1]),
    ]
    return model
  }

  /// An element, from -127 to 127, by its logical index in C order.
  static func value(_ name: String, _ index: Int) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    hash = (hash ^ UInt64(index)) &* 0x9E37_79B9_7F4A_7C15
    hash = (hash ^ (hash >> 29)) &* 0xBF58_476D_1CE4_E5B9
    return Int((hash >> 32) % 255) - 127
  }

  /// Where element `[n, k]` lies in a panel layout, by the words of `formats/bertq.md`.
  static func position(_ layout: TensorLayout, _ shape: [Int], _ index: Int) -> Int {
    guard layout != .rowMajor else { return index }
    let (n, k) = (index / shape[1], index % shape[1])
    if layout == .floatPanels { return (n / 32 * shape[1] + k) * 32 + n % 32 }
    return ((n / 32 * ((shape[1] + 3) / 4) + k / 4) * 32 + n % 32) * 4 + k % 4
  }

  /// The binary16 of a value that has one.
  static func half(_ value: Float) -> UInt16 {
    if value == 0 { return 0 }
    let exponent = Int(value.exponent) + 15
    let fraction = UInt16(value.significandBitPattern >> 13)
    return (value < 0 ? 0x8000 : 0) | UInt16(exponent) << 10 | fraction
  }

  /// The bytes of a tensor.
  static func bytes(_ tensor: BertqTensor) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: try tensor.byteCount())
    bytes.withUnsafeMutableBytes { bytes in
      for index in 0..<tensor.shape.reduce(1, *) {
        let value = value(tensor.name, index)
        let at = position(tensor.layout, tensor.shape, index) * tensor.elementType.size
        switch tensor.elementType {
        case .float32:
          bytes.storeBytes(of: Float(value) / 64, toByteOffset: at, as: Float.self)
        case .int32: bytes.storeBytes(of: Int32(value * 1000), toByteOffset: at, as: Int32.self)
        case .int8: bytes.storeBytes(of: Int8(value), toByteOffset: at, as: Int8.self)
        case .uint8: bytes.storeBytes(of: UInt8(value + 128), toByteOffset: at, as: UInt8.self)
        case .float16:
          // value / 64 in binary16, by its definition: all of these values are exact.
          bytes.storeBytes(of: half(Float(value) / 64), toByteOffset: at, as: UInt16.self)
        }
      }
    }
    return bytes
  }

  /// Writes the model to a file, giving every tensor in pieces of `piece` bytes.
  @discardableResult
  func write(to path: String, piece: Int = .max) throws -> BertqFingerprints {
    let writer = try BertqWriter(
      path: path, description: description, tensors: tensors, quantizer: quantizer, drift: drift,
      producer: "tests")
    for tensor in tensors { try append(tensor, to: writer, piece: piece) }
    return try writer.finish()
  }

  /// Appends one tensor.
  func append(_ tensor: BertqTensor, to writer: BertqWriter, piece: Int = .max) throws {
    let bytes = try Self.bytes(tensor)
    try bytes.withUnsafeBytes { bytes in
      var start = 0
      while start < bytes.count {
        let end = start + min(piece, bytes.count - start)
        try writer.append(tensor.name, UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        start = end
      }
    }
  }
}

/// The bytes of a file.
func contents(_ path: String) throws -> [UInt8] {
  guard let file = fopen(path, "rb") else { throw BertError(.notFound, "is missing", file: path) }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = fread(&buffer, 1, buffer.count, file)
    if count == 0 { return bytes }
    bytes += buffer[..<count]
  }
}

/// Writes a file.
func write(_ bytes: [UInt8], to path: String) throws {
  guard let file = fopen(path, "wb") else { throw BertError(.system, "cannot write", file: path) }
  defer { fclose(file) }
  guard fwrite(bytes, 1, bytes.count, file) == bytes.count else {
    throw BertError(.system, "cannot write", file: path)
  }
}
