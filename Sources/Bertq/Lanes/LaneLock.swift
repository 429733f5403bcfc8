import SystemLibrary

/// A lock that threads may wait inside of.
///
/// Not Swift's `Mutex`: in a forked child that would end the process where a thread of the parent held it.
/// This one is left as it lies there.
///
/// Safety: the mutex is used only through its own calls, and lives as long as the lock.
final class LaneLock: @unchecked Sendable {
  fileprivate let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() { pthread_mutex_init(mutex, nil) }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Runs `body` while nobody else holds the lock.
  func locked<Value>(_ body: () -> Value) -> Value {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }
}

/// Something that threads wait for while they hold a lock.
///
/// Safety: as of the lock.
final class LaneSignal: @unchecked Sendable {
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() { pthread_cond_init(condition, nil) }

  deinit {
    pthread_cond_destroy(condition)
    condition.deallocate()
  }

  /// Lets go of the lock until somebody wakes this thread, or for no reason.
  func wait(_ lock: LaneLock) { pthread_cond_wait(condition, lock.mutex) }

  /// Wakes one thread that waits.
  func wakeOne() { pthread_cond_signal(condition) }

  /// Wakes all threads that wait.
  func wakeAll() { pthread_cond_broadcast(condition) }
}
