import Bertq
import CBertq

/// Runs what can fail; writes what went wrong where the caller wants it, and gives the code.
func reporting(
  _ place: UnsafeMutablePointer<bertq_error>?, _ body: () throws(BertError) -> Void
) -> Int32 {
  do throws(BertError) {
    try body()
    return BertqCode.done
  } catch {
    return report(error, ofText: nil, to: place)
  }
}

/// The code that stands for success.
enum BertqCode {
  static let done: Int32 = 0
}

/// Writes an error where the caller wants it, and gives its code.
func report(
  _ error: BertError, ofText text: Int?, to place: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  guard let place else { return error.code.exitCode }
  // A caller that was compiled with a shorter struct gets as much as it has room for.
  let room = UnsafeRawPointer(place).load(as: UInt.self)
  var full = bertq_error()
  full.size = Int(bitPattern: room)
  full.text = error.isOfTheCall ? -1 : text.map { Int64($0) } ?? -1
  withUnsafeMutableBytes(of: &full.kind) { write(error.code.name, to: $0) }
  withUnsafeMutableBytes(of: &full.remedy) { write(error.remedy?.name ?? "", to: $0) }
  withUnsafeMutableBytes(of: &full.message) { write(error.description, to: $0) }
  withUnsafeBytes(of: full) {
    let count = Int(min(room, UInt($0.count)))
    UnsafeMutableRawBufferPointer(start: place, count: count).copyBytes(from: $0.prefix(count))
  }
  return error.code.exitCode
}

extension BertError {
  /// Whether the call as a whole failed: all its texts would, and none of them is at fault.
  var isOfTheCall: Bool {
    [.usage, .cancelled, .deadline, .overloaded, .system].contains(code)
  }
}

/// Writes as much of a text as there is room for, whole characters only, and a zero byte.
private func write(_ text: String, to room: UnsafeMutableRawBufferPointer) {
  var count = 0
  for scalar in text.unicodeScalars {
    let bytes = Array(String(scalar).utf8)
    if count + bytes.count >= room.count { break }
    for byte in bytes {
      room[count] = byte
      count += 1
    }
  }
  room[count] = 0
}

/// A struct of the caller's, which may be shorter than this library's, or longer.
///
/// - Throws: `usage` when it does not begin with its size; `unsupported` when it sets what this library does not know.
func read<Value: BitwiseCopyable>(
  _ pointer: UnsafePointer<Value>?, _ zero: Value
) throws(BertError) -> Value {
  guard let pointer else { return zero }
  let given = UnsafeRawPointer(pointer).load(as: UInt.self)
  guard let size = Int(exactly: given), size >= MemoryLayout<Int>.size, size <= 1 << 16 else {
    throw BertError(.usage, "a struct that does not begin with its size, but with \(given)")
  }
  var value = zero
  let known = MemoryLayout<Value>.size
  withUnsafeMutableBytes(of: &value) {
    $0.copyBytes(from: UnsafeRawBufferPointer(start: pointer, count: min(size, known)))
  }
  if size > known {
    let rest = UnsafeRawBufferPointer(start: pointer, count: size)[known...]
    if rest.contains(where: { $0 != 0 }) { throw .unknownOptions }
  }
  return value
}

extension BertError {
  fileprivate static var unknownOptions: BertError {
    BertError(
      .unsupported, "the caller sets options that this library, \(Release.name), does not know")
  }
}

/// Refuses what a later version may give a meaning.
///
/// - Throws: `unsupported` when it is not zero.
func requireZero(_ reserved: Int32) throws(BertError) {
  if reserved != 0 { throw .unknownOptions }
}

/// A string of the caller's; nil for none.
///
/// - Parameter name: what it is, for messages.
/// - Throws: `usage` for other bytes than UTF-8: a repaired name would be another one.
func text(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(BertError) -> String? {
  guard let pointer else { return nil }
  guard let text = String(validatingCString: pointer) else {
    throw BertError(.usage, "\(name) is no UTF-8")
  }
  return text
}

/// A yes or no of the caller's.
///
/// - Throws: `usage` for other numbers than 1 and 0.
func flag(_ value: Int32, _ name: String) throws(BertError) -> Bool {
  guard value == 0 || value == 1 else {
    throw BertError(.usage, "\(name) is \(value); expected 0 or 1")
  }
  return value == 1
}

/// A `size_t` of the caller's, which Swift takes for a signed number.
func unsigned(_ count: Int) -> UInt { UInt(bitPattern: count) }

/// A pointer that must be there.
func require<Value>(_ pointer: Value?, _ name: String) throws(BertError) -> Value {
  guard let pointer else { throw BertError(.usage, "\(name) is NULL") }
  return pointer
}
