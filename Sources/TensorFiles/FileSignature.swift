import BertErrors
import ByteFiles

/// What a file is by its first bytes: the one recogniser, for choosing a reader and for messages.
struct FileSignature {
  /// A noun with its article: "a gzip file".
  let noun: String
  /// What the user can do when it is not read: the end of a sentence.
  let advice: String

  /// How many bytes are looked at.
  static let length = 512

  /// The first bytes of a file.
  static func start(of file: InputFile) throws(BertError) -> [UInt8] {
    try file.bytes(0..<min(length, file.size))
  }

  /// What begins with these bytes, if it is known.
  init?(_ start: [UInt8]) {
    for known in Self.table where known.matches(start) {
      self.init(noun: known.noun, advice: known.advice)
      return
    }
    guard Self.isText(start.prefix(64)) else { return nil }
    let words = String(decoding: start.prefix(16), as: UTF8.self).filter { !$0.isNewline }
    self.init(noun: "text, beginning \"\(words)\"", advice: Self.otherFile)
  }

  private init(noun: String, advice: String) {
    self.noun = noun
    self.advice = advice
  }

  private static func isText(_ bytes: some Collection<UInt8>) -> Bool {
    !bytes.isEmpty
      && bytes.allSatisfy { (0x20...0x7E).contains($0) || (0x09...0x0D).contains($0) }
  }

  // MARK: The table

  private struct Known {
    let noun: String
    let advice: String
    let matches: @Sendable ([UInt8]) -> Bool

    /// A file with these bytes at a place.
    init(_ noun: String, _ advice: String, _ bytes: [UInt8], at place: Int = 0) {
      self.noun = noun
      self.advice = advice
      matches = { $0.count >= place && $0.dropFirst(place).starts(with: bytes) }
    }

    init(_ noun: String, _ advice: String, _ text: String, at place: Int = 0) {
      self.init(noun, advice, Array(text.utf8), at: place)
    }

    init(_ noun: String, _ advice: String, where matches: @escaping @Sendable ([UInt8]) -> Bool) {
      self.noun = noun
      self.advice = advice
      self.matches = matches
    }
  }

  private static let otherFile = "name the checkpoint itself"
  private static let unpack = "unpack it and name what was in it"
  private static let save = "load it where it was made and save it as safetensors"
  private static let download = "download the file itself"

  private static let table: [Known] = [
    Known("a ZIP archive (npz or PyTorch)", "give it its own suffix", "PK\u{3}\u{4}"),
    Known("an empty ZIP archive", otherFile, "PK\u{5}\u{6}"),
    Known("a pickle of Python (PyTorch before 1.6)", "give it its own suffix") { start in
      start.count > 2 && start[0] == 0x80 && (1...5).contains(start[1])
    },
    Known("a single NumPy array", "save all arrays in one .npz file", [0x93] + Array("NUMPY".utf8)),
    Known("an HDF5 file (Keras weights)", save, [0x89] + Array("HDF\r\n".utf8)),
    Known("a GGUF file", "convert the checkpoint that it was made from", "GGUF"),
    Known("a GGML file", "convert the checkpoint that it was made from", "lmgg"),
    Known(
      "a Git LFS pointer, not the file that it stands for", "run git lfs pull",
      "version https://git-lfs"),
    Known("a web page", download) { start in
      let text = String(decoding: start.prefix(64), as: UTF8.self).lowercased()
        .drop { $0.isWhitespace }
      return text.hasPrefix("<!doctype") || text.hasPrefix("<html") || text.hasPrefix("<?xml")
    },
    Known("a gzip file", unpack, [0x1F, 0x8B]),
    Known("an xz file", unpack, [0xFD] + Array("7zXZ".utf8)),
    Known("a zstd file", unpack, [0x28, 0xB5, 0x2F, 0xFD]),
    Known("a bzip2 file", unpack, "BZh"),
    Known("a 7z archive", unpack, "7z\u{BC}"),
    Known("a 7z archive", unpack, [0x37, 0x7A, 0xBC, 0xAF]),
    Known("a tar archive", unpack, "ustar", at: 257),
    Known("a RAR archive", unpack, "Rar!"),
    Known("a Parquet file", otherFile, "PAR1"),
    Known("an Arrow file", otherFile, "ARROW1"),
    Known("a TensorFlow Lite model", "convert the checkpoint that it was made from", "TFL3", at: 4),
    Known("a program", otherFile, [0x7F] + Array("ELF".utf8)),
    Known("a PDF", otherFile, "%PDF"),
    Known("a .bertq file", "nothing need be converted", [0x89] + Array("BTQ\r\n".utf8)),
    Known("a safetensors file", "give it its own suffix", where: isSafetensors),
    Known("a Flax checkpoint (MessagePack)", save, where: isMessagePack),
    Known("text in UTF-16", otherFile, [0xFF, 0xFE]),
    Known("text in UTF-16", otherFile, [0xFE, 0xFF]),
    Known("JSON", otherFile) { start in
      let text = start.drop { (0x09...0x0D).contains($0) || $0 == 0x20 }
      return text.first == UInt8(ascii: "{") && isText(start.prefix(64))
    },
  ]

  /// A header length, then the header's brace.
  static func isSafetensors(_ start: [UInt8]) -> Bool {
    start.count > 8 && start[8] == UInt8(ascii: "{") && start[4..<8].allSatisfy { $0 == 0 }
  }

  /// A map whose first key is a text, as Flax writes its parameters.
  private static func isMessagePack(_ start: [UInt8]) -> Bool {
    guard start.count > 8 else { return false }
    let key: Int
    switch start[0] {
    case 0x81...0x8F: key = 1
    case 0xDE: key = 3
    case 0xDF: key = 5
    default: return false
    }
    switch start[key] {
    case 0xA1...0xBF: return isText(start[(key + 1)...].prefix(Int(start[key] & 0x1F)))
    case 0xD9: return isText(start[(key + 2)...].prefix(Int(start[key + 1])))
    default: return false
    }
  }
}
