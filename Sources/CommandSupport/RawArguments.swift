import BertErrors
import SystemLibrary

/// The command line as bytes: what the program gets as strings was repaired where it is no UTF-8.
package enum RawArguments {
  /// The arguments that were repaired, by what was made of them.
  private static let repaired: [String: [UInt8]] = {
    var repaired: [String: [UInt8]] = [:]
    for place in 0..<Int(CommandLine.argc) {
      guard let argument = CommandLine.unsafeArgv[place] else { continue }
      let bytes = Array(UnsafeRawBufferPointer(start: argument, count: strlen(argument)))
      let text = String(decoding: bytes, as: UTF8.self)
      if !text.utf8.elementsEqual(bytes) { repaired[text] = bytes }
    }
    return repaired
  }()

  /// Refuses names of files that were repaired: another file may have the repaired name.
  ///
  /// - Throws: `usage`.
  package static func requireUTF8(_ names: [String?]) throws(BertError) {
    for case let name? in names where repaired[name] != nil {
      throw BertError(
        .usage, "the name of the file is no UTF-8: give it another, or a link", file: name)
    }
  }

  /// The bytes that were given as an argument.
  static func bytes(of argument: String) -> [UInt8] {
    repaired[argument] ?? Array(argument.utf8)
  }
}
