/// Which release the commands are of.
public enum Release {
  /// The program and its version, as `--version` says it and files record it.
  public static let name = "bertq 0.1"
}
