import SystemLibrary

/// A thread beside the main one.
final class Companion {
  private let thread: pthread_t

  init(_ body: @escaping @Sendable () -> Void) {
    guard let thread = startThread(body) else { fail("no thread") }
    self.thread = thread
  }

  func join() { pthread_join(thread, nil) }
}

/// Ends the process with a message and exit code 1.
func fail(_ message: String) -> Never {
  let line = message + "\n"
  _ = line.withCString { write(2, $0, strlen($0)) }
  exit(1)
}

/// Ends the process unless a condition holds.
func expect(_ condition: Bool, _ message: @autoclosure () -> String) {
  if !condition { fail(message()) }
}

/// Waits until this process has so many threads: the kernel lists one for a moment after it was
/// joined.
///
/// One more is let pass, for a sanitizer starts and ends one of its own when it likes.
func waitForThreads(_ count: Int) {
  func fits() -> Bool { (count...(count + 1)).contains(threadCount()) }
  for _ in 0..<5_000 where !fits() { usleep(1_000) }
  expect(fits(), "there are \(threadCount()) threads, not \(count)")
}

/// Threads of this process, as the kernel lists them.
func threadCount() -> Int {
  guard let folder = opendir("/proc/self/task") else { fail("no /proc/self/task") }
  defer { closedir(folder) }
  var count = 0
  while let entry = readdir(folder) {
    if entry.pointee.d_name.0 != UInt8(ascii: ".") { count += 1 }
  }
  return count
}
