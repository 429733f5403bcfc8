import SystemLibrary

/// How much of the machine this process may use.
package struct CpuShare: Sendable {
  /// Cores in the affinity mask; all that are online where nothing lists it.
  package let cores: Int
  /// The container's quota of processor time, when it has one.
  package let quota: Quota?

  /// So much processor time in a period, in microseconds both.
  package struct Quota: Sendable, Equatable {
    /// The time, of all cores together.
    package let time: Int
    /// The period.
    package let period: Int

    /// Nil where one of them is not positive, as where nothing is limited.
    init?(time: Int?, period: Int?) {
      guard let time, let period, time > 0, period > 0 else { return nil }
      self.time = time
      self.period = period
    }

    /// The cores that this is, in whole ones.
    func cores(_ rounding: Rounding) -> Int {
      time / period + (rounding == .up && time % period > 0 ? 1 : 0)
    }

    /// Whether it is less than another, without their products overflowing.
    func isLess(than other: Quota) -> Bool {
      let (mine, theirs) = (
        time.multipliedFullWidth(by: other.period), other.time.multipliedFullWidth(by: period)
      )
      return (mine.high, mine.low) < (theirs.high, theirs.low)
    }
  }

  /// What becomes of a part of a core in a quota.
  package enum Rounding: Sendable {
    /// A thread more, which is throttled for a part of each period: the most work done.
    case up
    /// No thread for it: none is throttled, so no answer waits for the next period.
    case down
  }

  /// The most threads worth starting: from 1 to `limit`.
  package func threads(_ rounding: Rounding = .up) -> Int {
    max(1, min(cores, quota?.cores(rounding) ?? cores, Self.limit))
  }

  /// The largest number of threads that anybody may ask for.
  package static let limit = 256

  /// The share of this process, as it was when somebody first asked.
  package static let own = CpuShare(SystemFiles.own)
  /// The most threads worth starting in this process.
  package static let threads = own.threads()
}

/// Where a process's share is written: files of Linux, or a table that stands for them.
package struct SystemFiles {
  /// The text of the file at a path; nil where there is none.
  package let text: (String) -> String?
  /// Cores that are online.
  package let onlineCores: Int

  /// Files from anywhere.
  package init(onlineCores: Int, text: @escaping (String) -> String?) {
    self.onlineCores = onlineCores
    self.text = text
  }

  /// This process's.
  package static var own: SystemFiles {
    SystemFiles(onlineCores: sysconf(Int32(_SC_NPROCESSORS_ONLN)), text: read)
  }

  /// More than the longest of these files has: a status with masks of 8,192 cores.
  private static let mostBytes = 1 << 16

  private static func read(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: mostBytes)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}

extension CpuShare {
  /// Reads a share.
  package init(_ files: SystemFiles) {
    cores = max(1, Self.affinity(files.text("/proc/self/status") ?? "") ?? files.onlineCores)
    let groups = ControlGroups(files.text("/proc/self/cgroup") ?? "")
    quota = groups.quotas(files).min { $0.isLess(than: $1) }
  }

  /// Cores in the affinity mask, as `/proc/self/status` lists them ("0-3,8"); nil for what is no
  /// such list.
  private static func affinity(_ status: String) -> Int? {
    let label = "Cpus_allowed_list:"
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(label) }) else {
      return nil
    }
    var count = 0
    for range in line.dropFirst(label.count).split(separator: ",") {
      let ends = range.split(separator: "-", omittingEmptySubsequences: false).map {
        Int($0.trimmed)
      }
      guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil,
        0 <= first, first <= last, last < mostCores
      else { return nil }
      count += last - first + 1
    }
    return count > 0 ? count : nil
  }

  /// More than Linux numbers.
  private static let mostCores = 1 << 20
}

/// The control groups of a process, as `/proc/self/cgroup` lists them: "0::/a/b" of version 2,
/// "4:cpu,cpuacct:/a/b" of version 1.
private struct ControlGroups {
  private var version2 = ""
  private var version1 = ""

  private static let root = "/sys/fs/cgroup"

  init(_ list: String) {
    for line in list.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3, fields[2].hasPrefix("/") else { continue }
      if fields[0] == "0", fields[1].isEmpty { version2 = String(fields[2]) }
      if fields[1].split(separator: ",").contains("cpu") { version1 = String(fields[2]) }
    }
  }

  /// The quota of each group that has one, from the process's own to the root.
  ///
  /// In a container its own may lie where the list does not say, and then the root that the
  /// container sees is it.
  func quotas(_ files: SystemFiles) -> [CpuShare.Quota] {
    let unified = Self.folders(version2).compactMap { folder -> CpuShare.Quota? in
      let fields = (files.text(Self.root + folder + "/cpu.max") ?? "").split(
        whereSeparator: \.isWhitespace)
      guard fields.count == 2 else { return nil }
      return CpuShare.Quota(time: Int(fields[0]), period: Int(fields[1]))
    }
    let separate = Self.folders(version1).compactMap { folder -> CpuShare.Quota? in
      let place = Self.root + "/cpu" + folder
      return CpuShare.Quota(
        time: number(files, place + "/cpu.cfs_quota_us"),
        period: number(files, place + "/cpu.cfs_period_us"))
    }
    return unified + separate
  }

  private func number(_ files: SystemFiles, _ path: String) -> Int? {
    files.text(path).flatMap { Int($0[...].trimmed) }
  }

  /// "", "/a/b", "/a"; a group outside of what the process sees ("/../b") has no folder here.
  private static func folders(_ path: String) -> [String] {
    var parts = path.split(separator: "/")
    var folders = [""]
    while !parts.isEmpty, !parts.contains("..") {
      folders.append("/" + parts.joined(separator: "/"))
      parts.removeLast()
    }
    return folders
  }
}

extension Substring {
  /// Without the blanks at both ends.
  fileprivate var trimmed: Substring {
    let front = drop { $0.isWhitespace }
    return front.lastIndex { !$0.isWhitespace }.map { front[...$0] } ?? ""
  }
}
