/// Starts a thread that runs `body` and ends; the caller joins it.
///
/// - Returns: nil when the system refuses another.
package func startThread(_ body: @escaping () -> Void) -> pthread_t? {
  var thread = noThread
  let told = Unmanaged.passRetained(ThreadBody(body))
  #if canImport(Darwin)
    let result = pthread_create(
      &thread, nil,
      {
        Unmanaged<ThreadBody>.fromOpaque($0).takeRetainedValue().run()
        return nil
      }, told.toOpaque())
  #else
    let result = pthread_create(
      &thread, nil,
      {
        if let told = $0 { Unmanaged<ThreadBody>.fromOpaque(told).takeRetainedValue().run() }
        return nil
      }, told.toOpaque())
  #endif
  if result == 0 { return thread }
  told.release()
  return nil
}

#if canImport(Glibc)
  private var noThread: pthread_t { 0 }
#else
  private var noThread: pthread_t? { nil }
#endif

/// What a new thread is told.
private final class ThreadBody {
  let run: () -> Void

  init(_ run: @escaping () -> Void) { self.run = run }
}
