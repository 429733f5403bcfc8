import SystemLibrary
import Testing

/// Counters that several threads raise.
final class Counters: Sendable {
  private let counts: Locked<[Int]>

  init(_ count: Int) { counts = Locked([Int](repeating: 0, count: count)) }

  func add(_ index: Int) { counts.withLock { $0[index] += 1 } }

  var values: [Int] { counts.withLock { $0 } }

  /// One of them: while others count, ThreadSanitizer would take a copy of all for a race.
  subscript(index: Int) -> Int { counts.withLock { $0[index] } }
}

/// A value behind a lock that ThreadSanitizer knows, which on Linux it does not of `Mutex`.
final class Locked<Value>: @unchecked Sendable {
  private var value: Value
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init(_ value: Value) {
    self.value = value
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body(&value)
  }
}

/// A thread that a test starts, apart from those of Swift's own pool, which nobody may block.
final class TestThread {
  private let thread: pthread_t?

  init(_ body: @escaping () -> Void) {
    thread = startThread(body)
    if thread == nil { Issue.record("the system refuses a thread") }
  }

  func join() { if let thread { pthread_join(thread, nil) } }

  /// `/proc/PID/task/TID` of the thread that calls.
  static func folder() -> String? {
    var buffer = [CChar](repeating: 0, count: 256)
    let count = readlink("/proc/thread-self", &buffer, buffer.count)
    if count <= 0 { return nil }
    let path = buffer[..<count].map { UInt8(bitPattern: $0) }
    return "/proc/" + String(decoding: path, as: UTF8.self)
  }

  /// Those of these folders whose threads still exist; waits, as the kernel lists a thread for a
  /// moment after it was joined.
  static func remaining(_ folders: Set<String>) -> Set<String> {
    var left = folders
    for _ in 0..<2_000 where !left.isEmpty {
      left = left.filter { access($0, F_OK) == 0 }
      usleep(1_000)
    }
    return left
  }
}
