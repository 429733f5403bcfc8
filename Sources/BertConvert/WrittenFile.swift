import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq

/// A file that was just written, opened as everybody will open it.
struct WrittenFile {
  /// What messages call it: the name that it is going to have.
  let name: String
  /// Where its vocabulary came from.
  let vocabulary: String?
  let kernels: KernelSet
  let team: ThreadTeam

  /// Puts a text through the file, from its tokens to the last layer, in every precision that it holds.
  ///
  /// - Parameters:
  ///   - path: where it can be read now.
  ///   - watch: told when the weights overflow: the file is as good as the checkpoint then.
  /// - Throws: what opening it or running it throws: then nobody could use it.
  func check(_ path: String, _ watch: ConversionWatch) throws(BertError) {
    do throws(BertError) {
      let served = try ServedModel(path: path)
      var batch = TokenBatch()
      if served.tokenizer == nil {
        try batch.append(ids: [0], for: served.description.configuration)
      } else {
        do throws(BertError) {
          try served.append(Self.probe, to: &batch, truncates: true)
        } catch {
          throw error.inFile(vocabulary ?? name)
        }
      }
      for precision in [Precision.float32, .int8] where served.holds(precision) {
        let encoder = try served.encoder(precision, kernels: kernels, team: team)
        try encoder.encode(batch) { states in
          let row = UnsafeBufferPointer(
            start: states.row(0), count: served.description.configuration.hiddenSize)
          if !row.allSatisfy(\.isFinite) {
            watch(
              .note(
                "\(precision.rawValue): a short text gives NaN or infinity: the weights overflow or are damaged"
              ))
          }
        }
      }
    } catch {
      var error = error
      if error.file == path { error.file = name }
      throw error
    }
  }

  private static let probe = TextInput(text: Array("The quick brown fox.".utf8))
}
