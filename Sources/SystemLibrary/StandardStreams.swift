// Streams are variables in C, which Swift would not let two threads look at.
#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  @preconcurrency import Darwin
#endif

/// Writes out what `print` has kept back.
///
/// - Returns: nil when all of it was written; else the system's error number, 0 when a write failed earlier.
package func standardOutputFailure() -> CInt? {
  if fflush(stdout) != 0 { return errno }
  return ferror(stdout) == 0 ? nil : 0
}
