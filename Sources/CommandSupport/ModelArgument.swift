import BertErrors
import Bertq
import ByteFiles

/// The model that a program is given; what is none is told with the next step.
package enum ModelArgument {
  /// Opens a model.
  ///
  /// - Throws: as `Model` does.
  package static func open(
    _ path: String, _ options: ModelOptions, texts: [String] = []
  ) throws(BertError) -> Model {
    do throws(BertError) {
      return try Model(path: path, options: options)
    } catch {
      throw advised(error, path, texts: texts)
    }
  }

  /// Opens a model's file.
  ///
  /// - Throws: as `ServedModel` does.
  package static func open(_ path: String) throws(BertError) -> ServedModel {
    do throws(BertError) {
      return try ServedModel(path: path)
    } catch {
      throw advised(error, path)
    }
  }

  /// What is wrong with the model's path, and what to do.
  ///
  /// - Parameter texts: the texts that follow it.
  private static func advised(
    _ error: BertError, _ path: String, texts: [String] = []
  ) -> BertError {
    guard error.file == path else { return error }
    var error = error
    let name = path.split(separator: "/").last.map(String.init) ?? "model"
    if Folder.isFolder(path) {
      let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
      error.message =
        "is a folder; a checkpoint in it becomes a model by: bert-convert '\(folder)' '\(name).bertq'"
    } else if error.code == .malformed, error.message.hasPrefix("is not a .bertq file") {
      error.message +=
        "; if it is a checkpoint, make a model of it: bert-convert '\(path)' '\(name).bertq'"
    } else if error.code == .notFound, !Folder.isFile(path) {
      if path == "help" {
        error.message += "; for help: --help"
      } else if let model = texts.first(where: { $0.hasSuffix(".bertq") }) {
        error.message += "; the model comes before the texts: '\(model)' first"
      } else {
        error.message += hubAdvice(path)
      }
    }
    return error
  }

  /// What to do where a path that is not there may be a model's name on a hub; else nothing.
  package static func hubAdvice(_ path: String) -> String {
    guard isHubName(path) else { return "" }
    let name = path.split(separator: "/").last.map(String.init) ?? "model"
    return "; if it is a model's name on a hub, fetch its folder and convert that: "
      + "hf download \(path) --local-dir '\(name)' && bert-convert '\(name)' '\(name).bertq'"
  }

  /// Whether a path looks like `organisation/name`.
  private static func isHubName(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 2 && !path.hasSuffix(".bertq") && !Folder.isFolder(String(parts[0]))
      && parts.allSatisfy { part in
        !part.isEmpty && part.first != "." && part.first != "~"
          && part.utf8.allSatisfy { byte in
            byte < 0x80
              && (Character(UnicodeScalar(byte)).isLetter || Character(UnicodeScalar(byte)).isNumber
                || [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ".")].contains(byte))
          }
      }
  }
}
