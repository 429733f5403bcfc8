import BertErrors
import BertKernels
import BertModel
import BertRuntime
import BertTokenize
import BertqFile

/// A `.bertq` file opened for use: its tokenizer, and encoders over its weights.
package final class ServedModel: Sendable {
  /// The mapped file.
  package let file: ModelFile
  /// All of the model except its tensors.
  package var description: ModelDescription { file.model }
  /// The tokenizer, nil when the file holds no vocabulary.
  package let tokenizer: Tokenizer?

  /// Opens a file and checks what is needed to read text; weights are checked by `encoder`.
  ///
  /// - Throws: `notFound`, `malformed` or `unsupported`, with file, tensor and offset; `unsupported`
  ///   too for a file of an earlier numeric version, whose fingerprints stand for other bits.
  package init(path: String) throws(BertError) {
    file = try ModelFile.open(path)
    guard file.numericVersion == NumericContract.version else {
      throw BertError(
        .unsupported,
        "was made for version \(file.numericVersion) of the numeric contract; this program computes "
          + "version \(NumericContract.version): convert the checkpoint again", file: path)
    }
    guard let settings = file.model.tokenizer else {
      tokenizer = nil
      return
    }
    do throws(BertError) {
      var tables: [String: UnsafeRawBufferPointer] = [:]
      for name in TokenizerTables.names(settings) {
        guard let view = file.find(name) else { continue }
        try file.verify(view, bytes: 0..<view.bytes.count)
        tables[name] = view.bytes
      }
      tokenizer =
        tables.isEmpty && settings.wordPiece != nil
        ? nil
        : try Tokenizer(
          tables: TokenizerTables(tables, owner: file), settings: settings,
          embeddingRows: file.model.configuration.vocabularySize)
    } catch {
      throw error.inFile(path)
    }
  }

  /// How an embedding is made, of so many dimensions.
  ///
  /// - Throws: `usage` for more than the whole vector has.
  func recipe(dimensions: Int?) throws(BertError) -> EmbeddingRecipe {
    var recipe = description.embedding
    guard let dimensions else { return recipe }
    recipe.dimensions = nil
    let whole = recipe.width(hiddenSize: description.configuration.hiddenSize)
    guard (1...whole).contains(dimensions) else {
      throw BertError(.usage, "\(dimensions) dimensions; expected 1 to \(whole)", file: file.path)
    }
    recipe.dimensions = dimensions
    return recipe
  }

  /// Whether the file holds weights of a precision.
  package func holds(_ precision: Precision) -> Bool {
    fingerprint(precision) != nil
  }

  /// What identifies vectors of a precision: only equal fingerprints may be compared.
  package func fingerprint(_ precision: Precision) -> String? {
    precision == .int8 ? file.fingerprints.int8 : file.fingerprints.float
  }

  /// An encoder over the file's weights, which are verified now.
  package func encoder(
    _ precision: Precision, kernels: KernelSet, team: ThreadTeam,
    tokenBudget: Int? = nil
  ) throws(BertError) -> BertEncoder {
    do throws(BertError) {
      return try BertEncoder(
        source: file, precision: precision, kernels: kernels, team: team, tokenBudget: tokenBudget)
    } catch {
      throw error.inFile(file.path)
    }
  }
}
