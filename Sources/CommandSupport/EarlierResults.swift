import BertErrors
import ByteFiles

/// Results that an earlier run wrote to a file, and how many texts of it were not answered.
package struct EarlierResults {
  let file: EarlierOutput
  /// Texts that were not answered, by the name of the reason.
  let failures: [String: Int]

  /// Whole lines in the file.
  var lines: Int { file.lines }
  var lastLine: [UInt8] { file.lastLine }
  /// What stands behind them, but for the zeros that a power failure leaves.
  var rest: ArraySlice<UInt8> {
    file.rest.prefix((file.rest.lastIndex { $0 != 0 } ?? -1) + 1)
  }
  var path: String { file.path }

  /// Reads what is there; a file that is not there is made.
  ///
  /// - Throws: `cannotWrite` when the file cannot be written, or another process goes on with it.
  package init(_ path: String) throws(BertError) {
    var failures: [String: Int] = [:]
    file = try EarlierOutput(path) { line in
      if let code = BertError.code(in: line) { failures[code, default: 0] += 1 }
    }
    self.failures = failures
  }
}
