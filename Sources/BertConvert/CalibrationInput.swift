import BertErrors
import BertModel
import BertQuantize
import BertRuntime
import BertTokenize
import BertqFile
import ByteFiles

/// The texts that a model is calibrated with, and what the file records of them.
struct CalibrationInput {
  /// What the quantiser watches.
  private(set) var batch = TokenBatch()
  /// What the drift is measured on: texts that no weight is fitted to.
  private(set) var heldOut = TokenBatch()
  /// What those are, for people.
  private(set) var heldOutSource = ""
  /// What went in, for the file's record.
  private(set) var settings: [BertqSetting] = []
  /// What a user should know.
  private(set) var notices: [String] = []

  /// More tokens than these are thinned out: the hidden states of all are in memory.
  static let mostTokens = 1 << 16
  /// So many tokens are read before texts are chosen from them.
  private static let mostRead = 1 << 22
  /// One text in so many is held out.
  private static let heldOutStep = 8

  private let tokenizer: Tokenizer
  private let configuration: BertConfiguration
  private let limit: Int
  private var texts: [[Int32]] = []
  private var tokens = 0
  private var read = 0
  private var cut = 0
  private var unknown = 0
  private var checksum: UInt32 = 0

  /// Tokenizes the texts that come with the program; nil when they say nothing to this vocabulary.
  static func builtIn(
    model: ModelDescription, tokenizer: Tokenizer
  ) throws(BertError) -> CalibrationInput? {
    var input = try CalibrationInput(model: model, tokenizer: tokenizer)
    // A text with a word that this vocabulary cannot even call unknown is left out.
    for text in CalibrationTexts.all { try? input.add(Array(text.utf8)) }
    if input.texts.isEmpty { return nil }
    input.choose(named: "built-in \(CalibrationTexts.version)", holdsOut: false)
    try input.holdOutBuiltIn(model)
    return input
  }

  /// Reads and tokenizes a file of texts, one a line.
  ///
  /// - Throws: `usage` when it has no text, or none that the vocabulary knows a word of; `notFound`
  ///   when it cannot be read; `malformed` when it is plainly no text, `notUTF8` for such bytes.
  static func file(
    _ path: String, model: ModelDescription, tokenizer: Tokenizer
  ) throws(BertError) -> CalibrationInput {
    var input = try CalibrationInput(model: model, tokenizer: tokenizer)
    let reader = try LineReader(path: path)
    try ForeignInput.check(
      reader, by: ForeignInput.Reader("bert-convert … --calibrate -"))
    while input.tokens < mostRead, let line = try reader.next() {
      do throws(BertError) {
        try UTF8Check.require(line)
        try input.add(line)
      } catch {
        throw reader.place.locate(strictly: error)
      }
    }
    try input.requireTexts(path)
    input.choose(named: Folder.name(of: path), holdsOut: true)
    return input
  }

  private init(model: ModelDescription, tokenizer: Tokenizer) throws(BertError) {
    configuration = model.configuration
    self.tokenizer = tokenizer
    limit = min(
      model.tokenizer?.maximumTokens ?? configuration.maximumPositions,
      configuration.maximumPositions, Self.mostTokens)
    guard limit > 2 else {
      throw BertError(
        .unsupported,
        "texts of at most \(limit) tokens leave no room for words to calibrate with",
        remedy: .convertWithoutCalibration)
    }
  }

  private mutating func add(_ line: [UInt8]) throws(BertError) {
    line.withUnsafeBytes { checksum = continueChecksum(checksum, $0) }
    withUnsafeBytes(of: UInt8(0x0A)) { checksum = continueChecksum(checksum, $0) }
    if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { return }
    read += 1
    var encoding = TokenizedText()
    let made = try line.withUnsafeBufferPointer { (text) throws(BertError) in
      try tokenizer.encode(text, limit: TokenLimit(limit), appendingTo: &encoding)
    }
    if made.isTruncated { cut += 1 }
    let words = encoding.ids.dropFirst().dropLast()
    guard words.contains(where: { $0 != tokenizer.unknownID }) else {
      unknown += 1
      return
    }
    texts.append(encoding.ids)
    tokens += encoding.ids.count
  }

  private func requireTexts(_ path: String) throws(BertError) {
    if read == 0 {
      throw BertError(
        .usage, "holds no text to calibrate with; expected one a line", file: path,
        remedy: .convertWithoutCalibration)
    }
    if texts.isEmpty {
      throw BertError(
        .usage,
        "the model's vocabulary knows no word of any of its \(read) texts: is it the right file?",
        file: path)
    }
  }

  /// Thins the texts out to the most tokens and holds some of them out.
  private mutating func choose(named name: String, holdsOut: Bool) {
    let chosen = spread()
    let splits = holdsOut && chosen.count >= Self.heldOutStep
    for (index, ids) in chosen.enumerated() {
      let isHeldOut = splits && index % Self.heldOutStep == Self.heldOutStep - 1
      // The tokenizer's ids are those of the vocabulary, which is no larger than the embeddings.
      do throws(BertError) {
        if isHeldOut {
          try heldOut.append(ids: ids, for: configuration)
        } else {
          try batch.append(ids: ids, for: configuration)
        }
      } catch {
        notices.append("a calibration text was passed over: \(error.message)")
      }
    }
    heldOutSource = "one in \(Self.heldOutStep) of \(name)"
    if holdsOut && !splits { measureOnCalibration(name) }
    describe(name, chosen.count)
    texts = []
  }

  /// Where there are no others, the drift is measured on the texts that the weights are fitted to.
  private mutating func measureOnCalibration(_ name: String) {
    heldOut = batch
    heldOutSource = name
    notices.append(
      "there are too few texts to hold some out: the drift is measured on those of the calibration")
  }

  /// Tokenizes the built-in texts that nothing is fitted to.
  private mutating func holdOutBuiltIn(_ model: ModelDescription) throws(BertError) {
    var others = try CalibrationInput(model: model, tokenizer: tokenizer)
    for text in HeldOutTexts.all { try? others.add(Array(text.utf8)) }
    for ids in others.texts { try heldOut.append(ids: ids, for: configuration) }
    heldOutSource = "built-in, held out \(HeldOutTexts.version)"
    if heldOut.count == 0 { measureOnCalibration("built-in \(CalibrationTexts.version)") }
  }

  /// As many texts, from all over the file, as keep to the most tokens.
  private func spread() -> [[Int32]] {
    var (chosen, sum) = (texts, tokens)
    // Evenly by position: where those turn out long, fewer. One alone keeps to it.
    while sum > Self.mostTokens && chosen.count > 1 {
      let count = max(1, min(chosen.count - 1, chosen.count * Self.mostTokens / sum))
      chosen = (0..<count).map { texts[$0 * texts.count / count] }
      sum = chosen.reduce(0) { $0 + $1.count }
    }
    return chosen
  }

  private mutating func describe(_ name: String, _ chosen: Int) {
    settings = [
      BertqSetting("calibration", name),
      BertqSetting("calibration.texts", "\(batch.count)"),
      BertqSetting("calibration.tokens", "\(batch.tokenCount)"),
      BertqSetting("calibration.crc32", hex(checksum)),
    ]
    if cut > 0 {
      notices.append(
        "\(cut) calibration text\(cut == 1 ? " was" : "s were") cut to the model's \(limit) tokens")
    }
    if unknown > 0 {
      notices.append(
        "\(unknown) of \(read) calibration texts hold no word that the vocabulary knows; they were "
          + "left out")
    }
    if chosen < texts.count {
      notices.append(
        "the calibration texts have \(tokens) tokens or more; \(chosen) of \(texts.count) were used, "
          + "from all over the file")
    }
  }
}
