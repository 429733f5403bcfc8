/// Guesses what a file is from its first bytes, for messages only.
enum FileSignature {
  private static let known: [([UInt8], String)] = [
    (Array("PK".utf8), "a ZIP archive (npz or pytorch_model.bin)"),
    ([0x93] + Array("NUMPY".utf8), "a NumPy .npy file"),
    ([0x1F, 0x8B], "a gzip file"),
    (Array("GGUF".utf8), "a GGUF file"),
    ([0x89] + Array("HDF".utf8), "an HDF5 file"),
    (Array("version https://".utf8.prefix(16)), "a Git LFS pointer: fetch the file itself"),
    (Array("<!DOCTYPE".utf8), "a web page"),
    (Array("<html".utf8), "a web page"),
    ([0x80, 0x02], "a Python pickle"), ([0x80, 0x04], "a Python pickle"),
    ([0x80, 0x05], "a Python pickle"),
  ]

  /// A noun for the file, nil when nothing fits.
  static func describe(_ start: [UInt8]) -> String? {
    for (signature, noun) in known where start.starts(with: signature) { return noun }
    let isText = start.allSatisfy { (0x20...0x7E).contains($0) || (0x09...0x0D).contains($0) }
    return isText && !start.isEmpty
      ? "text, beginning \"\(String(decoding: start, as: UTF8.self).filter { $0 != "\n" && $0 != "\r" })\""
      : nil
  }
}
