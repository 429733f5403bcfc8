/// The C library of this system: the one place that names it.
///
/// Everything else imports `SystemLibrary`, so that what differs between systems is decided here. Tested on Linux with glibc;
/// the other branches are written from the headers of those systems and have not been run.
#if canImport(Glibc)
  @_exported import Glibc
#elseif canImport(Musl)
  @_exported import Musl
#elseif canImport(Darwin)
  @_exported import Darwin
#endif

/// What the system calls an error.
package func reason(_ code: CInt) -> String {
  // Safety: strerror gives a static text, or one of this thread.
  guard let text = strerror(code) else { return "error \(code)" }
  return String(cString: text)
}

/// The value of an environment variable, nil where it is not set.
package func environment(_ name: String) -> String? {
  getenv(name).map { String(cString: $0) }
}
