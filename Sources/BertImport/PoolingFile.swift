import BertErrors
import BertModel
import ByteFiles
import JSONText
import TensorFiles

/// What `modules.json` of a sentence-embedding model says about its vectors.
struct PublishedPooling {
  var recipe: EmbeddingRecipe

  /// Reads the module list and the configuration of its pooling.
  ///
  /// - Throws: `unsupported` with the module or mode that this package does not do; `malformed`.
  init(modules path: String, hiddenSize: Int) throws(BertError) {
    let json = try ModelFiles.readJSON(path, limit: 1 << 20)
    var pooling: Pooling?
    var normalizes = false
    do throws(BertError) {
      guard let modules = json.arrayValue else {
        throw BertError(.malformed, "is \(json.kind); expected a list of modules")
      }
      for (place, module) in modules.enumerated() {
        let type = module["type"]?.stringValue ?? ""
        switch (type.split(separator: ".").last ?? "", place) {
        case ("Transformer", 0): break
        case ("Pooling", 1):
          let folder = module["path"]?.stringValue ?? "1_Pooling"
          guard Folder.isInside(folder) else {
            throw BertError(
              .malformed, "the pooling's path '\(folder.prefix(80))' leaves the folder")
          }
          pooling = try Self.readMode(
            Folder.parent(of: path) + "/" + folder + "/config.json", hiddenSize: hiddenSize)
        case ("Normalize", 2...): normalizes = true
        default:
          throw BertError(
            .unsupported,
            "module \(place) is '\(type.prefix(120))'; a Transformer, then Pooling, then perhaps "
              + "Normalize are supported")
        }
      }
      guard let pooling else { throw BertError(.unsupported, "lists no Pooling module") }
      recipe = EmbeddingRecipe(pooling, normalizes: normalizes)
    } catch {
      throw error.inFile(path)
    }
  }

  private static func readMode(_ path: String, hiddenSize: Int) throws(BertError) -> Pooling {
    let json = try ModelFiles.readJSON(path, limit: 1 << 20)
    let flags = (json.objectValue?.filter { $0.value == .bool(true) } ?? []).map(\.key)
    var modes = flags.filter { $0.hasPrefix("pooling_mode_") }.map { String($0.dropFirst(13)) }
    if let mode = json["pooling_mode"]?.stringValue { modes.append(mode) }
    if let size = json["word_embedding_dimension"]?.integerValue, size != hiddenSize {
      throw BertError(
        .malformed,
        "word_embedding_dimension is \(size), but the model's hidden_size is \(hiddenSize)",
        file: path)
    }
    switch modes {
    case ["mean_tokens"], ["mean"]: return .mean
    case ["cls_token"], ["cls"]: return .cls
    case []: throw BertError(.malformed, "names no pooling mode", file: path)
    default:
      throw BertError(
        .unsupported,
        "the pooling mode is \(modes.joined(separator: " with ")); mean_tokens and cls_token are "
          + "supported", file: path)
    }
  }
}
