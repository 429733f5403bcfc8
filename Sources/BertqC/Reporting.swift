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
  let room = UnsafeRawPointer(place).load(as: Int.self)
  var full = bertq_error()
  full.size = room
  full.text = text.map { Int64($0) } ?? -1
  withUnsafeMutableBytes(of: &full.kind) { write(error.code.name, to: $0) }
  withUnsafeMutableBytes(of: &full.remedy) { write(error.remedy?.name ?? "", to: $0) }
  withUnsafeMutableBytes(of: &full.message) { write(error.description, to: $0) }
  withUnsafeBytes(of: full) {
    UnsafeMutableRawBufferPointer(start: place, count: max(0, min(room, $0.count)))
      .copyBytes(from: $0.prefix(max(0, room)))
  }
  return error.code.exitCode
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
  let size = UnsafeRawPointer(pointer).load(as: Int.self)
  guard size >= MemoryLayout<Int>.size, size <= 1 << 16 else {
    throw BertError(.usage, "a struct that does not begin with its size, but with \(size)")
  }
  var value = zero
  let known = MemoryLayout<Value>.size
  withUnsafeMutableBytes(of: &value) {
    $0.copyBytes(from: UnsafeRawBufferPointer(start: pointer, count: min(size, known)))
  }
  if size > known {
    let rest = UnsafeRawBufferPointer(start: pointer, count: size)[known...]
    if rest.contains(where: { $0 != 0 }) {
      throw BertError(
        .unsupported, "the caller sets options that this library, \(Release.name), does not know")
    }
  }
  return value
}

/// A string of the caller's; nil for none.
func text(_ pointer: UnsafePointer<CChar>?) -> String? {
  pointer.map { String(cString: $0) }
}

/// A pointer that must be there.
func require<Value>(_ pointer: Value?, _ name: String) throws(BertError) -> Value {
  guard let pointer else { throw BertError(.usage, "\(name) is NULL") }
  return pointer
}
