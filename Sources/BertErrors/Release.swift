/// Which release of bertq this is.
public enum Release {
  /// The version: that of the file `VERSION` at the root, which tests compare with this.
  public static let version = "0.1.0"
  /// The program and its version, as `--version` says it and files record it.
  package static let name = "bertq \(version)"
}
