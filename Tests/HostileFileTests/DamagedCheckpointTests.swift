import BertErrors
import BertImport
import Fixtures
import FoundationEssentials
import TensorFiles
import Testing

/// Damages bytes the way transfers, editors and attackers do; the same seed, the same damage.
struct Damage {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func number(below limit: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(max(limit, 1)))
  }

  /// Changes one to four places near the ends, where tables of contents lie.
  mutating func apply(to bytes: inout [UInt8]) {
    let interesting: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF, 0x20, 0x22, 0x2C, 0x30, 0x39, 0x5B, 0x7B]
    for _ in 0...number(below: 4) where !bytes.isEmpty {
      let reach = min(bytes.count, 3000)
      var place = number(below: reach)
      if number(below: 2) == 0 { place = bytes.count - 1 - place }
      switch number(below: 6) {
      case 0: bytes[place] ^= 1 << UInt8(number(below: 8))
      case 1: bytes[place] = interesting[number(below: interesting.count)]
      case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + number(below: 9)))
      case 3: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 8)], at: place)
      case 4: bytes.removeSubrange(place...)
      default:
        for offset in place..<min(bytes.count, place + 8) { bytes[offset] = 0xFF }
      }
    }
  }
}

@Suite struct DamagedCheckpointTests {
  private func scratch(_ name: String) -> String {
    FileManager.default.temporaryDirectory.path + "/bertq-\(UUID().uuidString)-\(name)"
  }

  @Test(
    .enabled(if: SharedData.isPresent("tiny", "foreign", "checkpoints"), "needs the shared data"),
    arguments: [
      "tiny/model_nopool/model.safetensors", "tiny/model/model.npz", "tiny/nsp/tf_names.npz",
      "tiny/model/model_compressed.npz", "tiny/model/sharded/model.safetensors.index.json",
      "foreign/safetensors/ok_f32_f64_f16_specials.safetensors", "foreign/npz/ok_zip64_end.npz",
      "foreign/npz/ok_streamed_zip64.npz", "foreign/npz/ok_fortran_4d.npz",
      "foreign/npz/ok_version_mix.npz", "tiny/model/pytorch_model.bin",
      "tiny/model/legacy/pytorch_model.bin", "foreign/pytorch/burn__complex_structure.pt",
      "foreign/pytorch/burn__legacy_shared_storage.pt",
      "checkpoints/keras-bert-tf-ckpt/bert_model.ckpt.index",
    ])
  func damagedContainersGiveErrorsAndBoundedTensors(part: String) throws {
    let sound = try SharedData.bytes(part)
    let path = scratch(part.split(separator: "/").last.map(String.init) ?? "")
    defer { try? FileManager.default.removeItem(atPath: path) }
    for seed in 0..<200 {
      var damage = Damage(seed: UInt64(seed))
      var bytes = sound
      damage.apply(to: &bytes)
      try Data(bytes).write(to: URL(filePath: path))
      do throws(BertError) {
        let checkpoint = try Checkpoint.open(path)
        for tensor in checkpoint.tensors {
          #expect(tensor.elementCount <= 1040 * bytes.count, "seed \(seed)")
          _ = try checkpoint.readFloat32(tensor.name)
        }
      } catch {
        #expect([65, 66, 69].contains(error.code.exitCode), "seed \(seed): \(error)")
      }
    }
  }

  @Test(
    .enabled(if: SharedData.isPresent("tiny"), "needs the shared data"),
    arguments: ["config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"])
  func damagedDescriptionsGiveErrors(name: String) throws {
    let folder = scratch("model")
    try FileManager.default.copyItem(atPath: SharedData.path("tiny/seqcls5"), toPath: folder)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let sound = try SharedData.bytes("tiny/seqcls5/\(name)")
    for seed in 0..<200 {
      var damage = Damage(seed: UInt64(seed))
      var bytes = sound
      damage.apply(to: &bytes)
      try Data(bytes).write(to: URL(filePath: folder + "/" + name))
      do throws(BertError) {
        let model = try ModelImport.read(input: folder)
        #expect(model.description.labels.count == 5, "seed \(seed)")
      } catch {
        #expect([65, 69].contains(error.code.exitCode), "seed \(seed): \(error)")
        #expect(error.file != nil, "seed \(seed): \(error)")
      }
    }
  }
}
