/// Which release the commands are of.
package enum Release {
  /// The program and its version, as `--version` says it and files record it.
  package static let name = "bertq 0.1"
}
