import Synchronization

/// Bounds what all requests together hold in memory.
package final class ByteBudget: Sendable {
  private let used = Mutex(0)
  /// The most bytes at once.
  package let capacity: Int

  package init(_ capacity: Int) { self.capacity = capacity }

  /// Bytes in use.
  package var count: Int { used.withLock { $0 } }

  /// Takes bytes; false when there are not so many, or others would find less than `rest`.
  package func take(_ bytes: Int, leaving rest: Int = 0) -> Bool {
    used.withLock { used in
      guard bytes <= capacity - rest - used else { return false }
      used += bytes
      return true
    }
  }

  /// Gives bytes back.
  package func giveBack(_ bytes: Int) { used.withLock { $0 -= bytes } }
}
