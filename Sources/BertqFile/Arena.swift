import BertErrors

/// Memory for the C structures of one message, freed together.
final class Arena {
  private var blocks: [UnsafeMutableRawPointer] = []

  deinit {
    for block in blocks { block.deallocate() }
  }

  /// A copy of plain values.
  func array<T: BitwiseCopyable>(_ values: some Collection<T>) -> UnsafeMutablePointer<T> {
    let start = UnsafeMutablePointer<T>.allocate(capacity: max(values.count, 1))
    for (index, value) in values.enumerated() { (start + index).initialize(to: value) }
    blocks.append(UnsafeMutableRawPointer(start))
    return start
  }

  /// A copy of one C structure, which holds nothing but numbers and pointers.
  func place<T>(_ value: T) -> UnsafeMutablePointer<T> {
    let start = UnsafeMutablePointer<T>.allocate(capacity: 1)
    start.initialize(to: value)
    blocks.append(UnsafeMutableRawPointer(start))
    return start
  }

  /// A C string.
  ///
  /// - Throws: `malformed` when it holds a zero byte or is too long.
  func text(_ text: String, _ what: String) throws(BertError) -> UnsafeMutablePointer<CChar> {
    if text.utf8.count > BertqFormat.longestString || text.utf8.contains(0) {
      throw BertError(
        .malformed,
        "\(what) has \(text.utf8.count) bytes; at most \(BertqFormat.longestString) and none of "
          + "them zero can be stored: \(printable(text))")
    }
    return array(text.utf8.map { CChar(bitPattern: $0) } + [0])
  }

  /// A C string, or none.
  func optionalText(
    _ text: String?, _ what: String
  ) throws(BertError) -> UnsafeMutablePointer<CChar>? {
    guard let text else { return nil }
    return try self.text(text, what)
  }

  /// A list of C strings.
  func texts(
    _ texts: [String], _ what: String
  ) throws(BertError) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    try list(texts) { (item) throws(BertError) in try text(item, what) }
  }

  /// The pointers that `make` gives for each value.
  func list<S, T>(
    _ values: [S], _ make: (S) throws(BertError) -> UnsafeMutablePointer<T>
  ) throws(BertError) -> UnsafeMutablePointer<UnsafeMutablePointer<T>?> {
    var pointers: [UnsafeMutablePointer<T>?] = []
    for value in values { pointers.append(try make(value)) }
    return array(pointers)
  }

  /// A number that fits into 32 bits.
  func number(_ value: Int, _ what: String) throws(BertError) -> UInt32 {
    guard let number = UInt32(exactly: value) else {
      throw BertError(.malformed, "\(what) is \(value); it must be from 0 to \(UInt32.max)")
    }
    return number
  }
}
