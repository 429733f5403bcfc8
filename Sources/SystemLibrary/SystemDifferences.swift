/// Calls that systems name or type differently, or do not all have.

/// The most bytes a file of this process may have; nil where there is no such limit.
///
/// A write beyond it would not fail but end the process (SIGXFSZ).
package func fileSizeLimit() -> UInt64? {
  var limit = rlimit()
  #if canImport(Glibc)
    let result = getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
  #else
    let result = getrlimit(RLIMIT_FSIZE, &limit)
  #endif
  guard result == 0, limit.rlim_cur != rlim_t.max else { return nil }
  return UInt64(limit.rlim_cur)
}

/// Processor time that all threads of this process have used, in seconds.
package func processorSeconds() -> Double {
  var usage = rusage()
  #if canImport(Glibc)
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  #else
    getrusage(RUSAGE_SELF, &usage)
  #endif
  return [usage.ru_utime, usage.ru_stime].reduce(0) {
    $0 + Double($1.tv_sec) + Double($1.tv_usec) * 1e-6
  }
}

/// Takes room for a file's bytes; gives the system's error number, 0 when it is done.
package func reserveRoom(_ file: CInt, bytes: Int) -> CInt {
  #if canImport(Darwin)
    return ftruncate(file, off_t(bytes)) == 0 ? 0 : errno
  #else
    let code = posix_fallocate(file, 0, off_t(bytes))
    guard code == EOPNOTSUPP || code == EINVAL || code == EINTR else { return code }
    return ftruncate(file, off_t(bytes)) == 0 ? 0 : errno
  #endif
}

/// Opens a file without a name in a folder; -1, with the error in `errno`, where there are none such.
package func openNameless(_ folder: CInt, _ mode: mode_t) -> CInt {
  #if canImport(Glibc)
    return openat(folder, ".", O_RDWR | O_CLOEXEC | __O_TMPFILE | O_DIRECTORY, mode)
  #elseif canImport(Musl)
    // O_TMPFILE with O_DIRECTORY, a number of Linux: the macro is too complex to be imported.
    return openat(folder, ".", O_RDWR | O_CLOEXEC | 0o20000000 | O_DIRECTORY, mode)
  #else
    errno = ENOTSUP
    return -1
  #endif
}
