import BertErrors
import Fixtures
import TensorFiles
import Testing

/// What people name by mistake, by its first bytes: one line that says what it is and what to do.
@Suite struct RecogniserTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  static let kinds: [(start: [UInt8], words: [String])] = [
    (Array("GGUF".utf8) + [3, 0, 0, 0], ["GGUF", "made from"]),
    ([0x89] + Array("HDF\r\n\u{1A}\n".utf8), ["HDF5", "save it as safetensors"]),
    ([0x82, 0xAA] + Array("embeddings".utf8) + [0x80], ["Flax", "save it as safetensors"]),
    ([0xDE, 0, 3, 0xA6] + Array("params".utf8) + [0x80], ["Flax"]),
    (Array("version https://git-lfs.github.com/spec/v1\noid".utf8), ["Git LFS", "git lfs pull"]),
    (Array("\n<!DOCTYPE html>\n<html>".utf8), ["web page", "download"]),
    (Array("<HTML lang=en>".utf8), ["web page"]),
    ([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3], ["gzip", "unpack"]),
    ([0xFD] + Array("7zXZ\0\0".utf8), ["xz", "unpack"]),
    ([0x28, 0xB5, 0x2F, 0xFD, 4], ["zstd", "unpack"]),
    (Array("BZh91AY".utf8), ["bzip2", "unpack"]),
    ([UInt8](repeating: 0x61, count: 257) + Array("ustar".utf8), ["tar", "unpack"]),
    ([0x93] + Array("NUMPY".utf8) + [1, 0], ["single NumPy array", ".npz"]),
    (Array("PAR1".utf8) + [0x15, 0], ["Parquet"]),
    ([0x89, 0x42, 0x54, 0x51, 0x0D, 0x0A, 0x1A, 0x0A], [".bertq"]),
    ([0x1C, 0, 0, 0] + Array("TFL3".utf8), ["TensorFlow Lite"]),
    ([0x7F] + Array("ELF".utf8), ["a program"]),
    (Array("%PDF-1.7".utf8), ["PDF"]), ([0xFF, 0xFE, 0x61, 0], ["UTF-16"]),
    (Array("{\"model_type\": \"bert\"}".utf8), ["JSON"]),
    (Array("hello world, this is text".utf8), ["text, beginning \"hello world, thi\""]),
  ]

  @Test(arguments: kinds, ["file", "file.bin", "file.safetensors", "file.npz", "file.onnx"])
  func namesWhatIsNoCheckpoint(kind: (start: [UInt8], words: [String]), name: String) throws {
    // Real files are longer than a header.
    let path = try folder.write(
      name, kind.start + [UInt8](repeating: 0, count: max(0, 9 - kind.start.count)))
    let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
    #expect([65, 69].contains(error?.code.exitCode), "\(error?.description ?? "")")
    for word in kind.words {
      #expect(error?.message.contains(word) == true, "\(name): \(error?.description ?? "")")
    }
    #expect(error?.message.contains("\n") == false)
  }

  @Test func namesWhatAFolderHoldsInstead() throws {
    for (name, start, words) in [
      (
        "flax_model.msgpack", [0x82, 0xAA] + Array("embeddings".utf8), "flax_model.msgpack, a Flax"
      ),
      ("model.h5", [0x89] + Array("HDF\r\n\u{1A}\n".utf8), "model.h5, an HDF5"),
      ("q4.gguf", Array("GGUF".utf8), "q4.gguf, a GGUF"),
    ] {
      let folder = try TemporaryFolder()
      try folder.write(name, start)
      let error = #expect(throws: BertError.self) { try Checkpoint.open(folder.path) }
      #expect(error?.code == .unsupported && error?.message.contains(words) == true)
    }
    try folder.write("adapter_model.safetensors", "")
    let adapter = #expect(throws: BertError.self) { try Checkpoint.open(folder.path) }
    #expect(adapter?.code == .unsupported && adapter?.message.contains("merge") == true)
  }

  @Test func aLinkThatLeadsNowhereIsNotPassedOver() throws {
    try folder.write("model.npz", "")
    try folder.link("model.safetensors", to: "gone")
    let error = #expect(throws: BertError.self) { try Checkpoint.open(folder.path) }
    #expect(error?.code == .notFound && error?.file == folder.path + "/model.safetensors")
  }

  @Test func listsEveryTensorWithTheSumOfItsValues() throws {
    let path = try folder.write(
      "m.safetensors", safetensors([("a", [2], [1, 2]), ("b", [], [3])]))
    let list = try TensorListing.read(path)
    #expect(list.map(\.name) == ["a", "b"] && list.map(\.shape) == [[2], []])
    #expect(list.map(\.elementType) == ["F32", "F32"])
    #expect(list.map(\.sha256) == [sha256([1, 2] as [Float]), sha256([3] as [Float])])
  }
}
