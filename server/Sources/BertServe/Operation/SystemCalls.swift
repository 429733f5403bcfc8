import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The clock that people read.
package enum Clocks {
  private static var now: timespec {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return time
  }

  /// Seconds since 1970.
  package static var unixSeconds: Int { now.tv_sec }

  /// The time as RFC 3339 writes it, in UTC with milliseconds.
  package static var text: String {
    let time = now
    var seconds = time.tv_sec
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func digits(_ number: some BinaryInteger, _ width: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
    let date = [
      digits(parts.tm_year + 1900, 4), digits(parts.tm_mon + 1, 2), digits(parts.tm_mday, 2),
    ]
    let clock = [digits(parts.tm_hour, 2), digits(parts.tm_min, 2), digits(parts.tm_sec, 2)]
    return date.joined(separator: "-") + "T" + clock.joined(separator: ":") + "."
      + digits(time.tv_nsec / 1_000_000, 3) + "Z"
  }
}

/// The time as HTTP writes it (RFC 9110, IMF-fixdate), written once a second.
package final class ResponseDate: Sendable {
  private let latest = Mutex((second: Int.min, text: ""))
  private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  package init() {}

  /// The present second.
  package var text: String {
    let second = Clocks.unixSeconds
    return latest.withLock { latest in
      if latest.second != second { latest = (second, Self.text(of: second)) }
      return latest.text
    }
  }

  /// A second since 1970.
  package static func text(of second: Int) -> String {
    var second = second
    var parts = tm()
    gmtime_r(&second, &parts)
    func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
    let date = "\(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900)"
    let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map(two).joined(separator: ":")
    return "\(days[Int(parts.tm_wday)]), \(date) \(clock) GMT"
  }
}

/// Small text files of the system and of whoever runs the server.
package enum SmallFile {
  /// A file's bytes; nil when it cannot be read, or is larger than `limit`.
  package static func read(_ path: String, limit: Int = 1 << 20) -> [UInt8]? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: limit + 1)
    let count = fread(&bytes, 1, bytes.count, file)
    guard count <= limit, ferror(file) == 0 else { return nil }
    return Array(bytes[..<count])
  }

  /// Whether something is there, be it a link that leads nowhere.
  package static func exists(_ path: String) -> Bool {
    var info = stat()
    return lstat(path, &info) == 0
  }

  /// Whether a file can be written; nothing is changed, whatever is there.
  package static func canWrite(_ path: String) -> Bool {
    let wasThere = exists(path)
    guard let file = fopen(path, "ae") else { return false }
    fclose(file)
    return wasThere || unlink(path) == 0
  }

  /// Writes a file, in place of one that is there; says whether it could.
  @discardableResult
  package static func write(_ text: String, to path: String) -> Bool {
    guard let file = fopen(path, "we") else { return false }
    let bytes = Array(text.utf8)
    let count = fwrite(bytes, 1, bytes.count, file)
    return fclose(file) == 0 && count == bytes.count
  }
}

/// Standard error, a whole line at a time.
package enum StandardError {
  package static func write(_ line: [UInt8]) {
    line.withUnsafeBytes { bytes in
      var bytes = bytes[...]
      while !bytes.isEmpty {
        let written = bytes.withUnsafeBytes { Self.write($0) }
        if written <= 0 { return }
        bytes = bytes.dropFirst(written)
      }
    }
  }

  private static func write(_ bytes: UnsafeRawBufferPointer) -> Int {
    #if canImport(Glibc)
      Glibc.write(2, bytes.baseAddress, bytes.count)
    #else
      Musl.write(2, bytes.baseAddress, bytes.count)
    #endif
  }
}

/// What the system says about this process.
package struct ProcessFacts: Sendable {
  /// Bytes in memory.
  package var residentBytes = 0
  /// Seconds of all cores.
  package var cpuSeconds = 0.0
  /// Seconds since 1970.
  package static let startSeconds = Clocks.unixSeconds

  package init() {
    if let bytes = SmallFile.read("/proc/self/statm") {
      let pages = String(decoding: bytes, as: UTF8.self).split(separator: " ")
      residentBytes = (pages.count > 1 ? Int(pages[1]) ?? 0 : 0) * sysconf(Int32(_SC_PAGESIZE))
    }
    var usage = rusage()
    // RUSAGE_SELF, whose type differs between the C libraries.
    getrusage(0, &usage)
    cpuSeconds =
      Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
  }
}
