import BertErrors
import SystemLibrary

/// Zeroed memory that starts at a multiple of 64 bytes, as vector loads like it.
///
/// Safety: the owner decides who writes where; workers of a team write disjoint parts.
package final class AlignedBuffer: @unchecked Sendable {
  /// The first byte.
  package let base: UnsafeMutableRawPointer
  /// How many bytes.
  package let count: Int

  /// The most bytes of a buffer whose making cannot fail.
  package static let mostSmallBytes = 16 << 10

  /// Allocates `count` bytes of zeros, at most `mostSmallBytes` of them.
  ///
  /// Ends the process when there is no memory, or when it is asked for more than that: sizes that
  /// options, texts or a model decide belong to the other initialisers.
  package init(bytes count: Int) {
    if count > Self.mostSmallBytes { fatalError("\(count) bytes are no small buffer") }
    guard let base = Self.allocate(count) else { fatalError("no memory for \(count) bytes") }
    self.count = count
    self.base = base
  }

  /// Allocates zeros for `count` floats, at most `mostSmallBytes` of them.
  package convenience init(floats count: Int) { self.init(bytes: count * 4) }

  /// Allocates `count` bytes of zeros, where options, texts or a model decide how many.
  ///
  /// - Parameters:
  ///   - purpose: what they are for, as the message says it.
  ///   - advice: how to do with less; nil where computing less at once does it.
  /// - Throws: `system` when the system gives no more memory.
  package init(
    checkedBytes count: Int, for purpose: @autoclosure () -> String,
    advice: String? = nil
  ) throws(BertError) {
    guard let base = Self.allocate(count) else {
      throw BertError(
        .system,
        "there is no memory for \(purpose()), \((count >> 20) + 1) MB: "
          + (advice.map { "\($0), or " } ?? "") + "allow the process more (ulimit -v)",
        remedy: advice == nil ? .computeLessAtOnce : nil)
    }
    self.count = count
    self.base = base
  }

  /// Allocates zeros for `count` floats, where options, texts or a model decide how many.
  ///
  /// - Throws: `system` when the system gives no more memory.
  package convenience init(
    checkedFloats count: Int, for purpose: @autoclosure () -> String,
    advice: String? = nil
  ) throws(BertError) {
    try self.init(checkedBytes: count * 4, for: purpose(), advice: advice)
  }

  deinit { free(base) }

  private static func allocate(_ count: Int) -> UnsafeMutableRawPointer? {
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, 64, max(count, 64)) == 0, let memory else { return nil }
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: max(count, 64))
    return memory
  }

  /// The memory as floats.
  package var floats: UnsafeMutablePointer<Float> {
    base.assumingMemoryBound(to: Float.self)
  }

  /// The memory as bytes.
  package var bytes: UnsafeMutablePointer<UInt8> {
    base.assumingMemoryBound(to: UInt8.self)
  }
}

/// Bytes from one row of `bytes` bytes to the next: an odd number of cache lines, so that the rows
/// of a tile lie in different sets of a cache, and not all where one power of two puts them.
package func rowStride(bytes: Int) -> Int { (roundUp(bytes, to: 64) / 64 | 1) * 64 }

/// `n` rounded up to a multiple of `step`.
@inlinable
package func roundUp(_ n: Int, to step: Int) -> Int { (n + step - 1) / step * step }
