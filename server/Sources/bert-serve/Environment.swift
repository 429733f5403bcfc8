import Bertq

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The environment's twin of each option.
enum Environment {
  /// A variable that is set and not empty.
  static func text(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
  }

  static func list(_ name: String, separator: Character) -> [String] {
    (text(name) ?? "").split(separator: separator).map(String.init)
  }

  /// An option's value, or its variable's.
  ///
  /// - Throws: `usage` for a variable that is no integer of the range.
  static func integer(
    _ option: Int?, _ name: String, _ range: ClosedRange<Int>
  ) throws(BertError) -> Int? {
    var value = option
    if value == nil, let text = text(name) {
      guard let number = Int(text) else {
        throw BertError(.usage, "\(name) is '\(text)'; expected an integer")
      }
      value = number
    }
    guard let value else { return nil }
    guard range.contains(value) else {
      throw BertError(
        .usage,
        "\(name), or its option, is \(value); expected \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  /// A flag that was given, or its variable says `1` or `true`.
  static func flag(_ option: Bool, _ name: String) throws(BertError) -> Bool {
    if option { return true }
    switch text(name)?.lowercased() {
    case nil, "0", "false", "no": return false
    case "1", "true", "yes": return true
    case let other?: throw BertError(.usage, "\(name) is '\(other)'; expected 1 or 0")
    }
  }
}
