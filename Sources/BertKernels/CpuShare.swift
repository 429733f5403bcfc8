import SystemLibrary

/// How much of the machine this process may use.
package enum CpuShare {
  /// The most threads worth starting: cores in the affinity mask, at most the container's quota.
  package static let threads: Int = {
    var most = max(1, affinity())
    if let quota = quota() { most = min(most, max(1, quota)) }
    return most
  }()

  /// The largest number of threads that anybody may ask for.
  package static let limit = 256

  /// Cores in this process's affinity mask, as `/proc/self/status` lists them ("0-3,8").
  private static func affinity() -> Int {
    let label = "Cpus_allowed_list:"
    for line in (readText("/proc/self/status") ?? "").split(separator: "\n")
    where line.hasPrefix(label) {
      var cores = 0
      for range in line.dropFirst(label.count).split(whereSeparator: {
        $0 == "," || $0.isWhitespace
      }) {
        let ends = range.split(separator: "-").compactMap { Int($0) }
        if let first = ends.first, let last = ends.last, last >= first { cores += last - first + 1 }
      }
      if cores > 0 { return cores }
    }
    return sysconf(Int32(_SC_NPROCESSORS_ONLN))
  }

  /// Cores granted by cgroup v2's `cpu.max` or v1's `cpu.cfs_quota_us`, rounded up.
  private static func quota() -> Int? {
    var most: Int?
    func take(_ quota: Int, _ period: Int) {
      guard quota > 0, period > 0 else { return }
      let cores = (quota + period - 1) / period
      most = min(most ?? cores, cores)
    }
    var folder = "/sys/fs/cgroup" + ownGroup()
    while folder.hasPrefix("/sys/fs/cgroup") {
      let fields = (readText(folder + "/cpu.max") ?? "").split(whereSeparator: \.isWhitespace)
      if fields.count == 2, let quota = Int(fields[0]), let period = Int(fields[1]) {
        take(quota, period)
      }
      guard let slash = folder.lastIndex(of: "/") else { break }
      folder = String(folder[..<slash])
    }
    if let quota = readInt("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
      let period = readInt("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    {
      take(quota, period)
    }
    return most
  }

  private static func ownGroup() -> String {
    for line in (readText("/proc/self/cgroup") ?? "").split(separator: "\n")
    where line.hasPrefix("0::/") {
      let path = line.dropFirst(3)
      return path == "/" ? "" : String(path)
    }
    return ""
  }

  private static func readInt(_ path: String) -> Int? {
    readText(path).flatMap { Int($0.filter { $0.isNumber || $0 == "-" }) }
  }

  private static func readText(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
