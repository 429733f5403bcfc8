import Synchronization

/// One bit a chunk: whether its checksum was found right.
///
/// Any number of threads may ask and mark.
final class VerifiedChunks: @unchecked Sendable {
  // Safety: `words` has `count` initialised atomics from init to deinit.
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let count: Int

  /// None verified of `chunks`.
  init(chunks: Int) {
    count = (chunks + 63) / 64
    words = .allocate(capacity: max(count, 1))
    for i in 0..<count { (words + i).initialize(to: Atomic(0)) }
  }

  deinit {
    words.deinitialize(count: count)
    words.deallocate()
  }

  /// Whether the chunk was verified; false for one that does not exist.
  func contains(_ chunk: Int) -> Bool {
    guard chunk >= 0, chunk / 64 < count else { return false }
    return words[chunk / 64].load(ordering: .acquiring) >> UInt64(chunk % 64) & 1 == 1
  }

  /// Marks the chunk as verified.
  func insert(_ chunk: Int) {
    guard chunk >= 0, chunk / 64 < count else { return }
    words[chunk / 64].bitwiseOr(1 << UInt64(chunk % 64), ordering: .releasing)
  }
}
