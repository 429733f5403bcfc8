import Glibc

/// A thread beside the main one.
final class Companion {
  private var thread = pthread_t()

  private final class Work {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }

  init(_ body: @escaping @Sendable () -> Void) {
    let work = Unmanaged.passRetained(Work(body))
    let result = pthread_create(
      &thread, nil,
      { raw in
        if let raw { Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().body() }
        return nil
      }, work.toOpaque())
    if result != 0 { fail("no thread") }
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
