import BertKernels
import SystemLibrary
import Testing

/// How many threads are worth starting, by what Linux's files say.
struct CpuShareTests {
  /// A machine as its files describe it.
  struct Machine: CustomTestStringConvertible, Sendable {
    let name: String
    /// The affinity mask; nil for a status without one.
    var mask: String?
    var online = 8
    /// `/proc/self/cgroup`.
    var groups = ""
    /// Paths below `/sys/fs/cgroup`.
    var files: [String: String] = [:]
    let cores: Int
    /// Threads with parts of a core rounded up, and down.
    let threads: (up: Int, down: Int)

    var testDescription: String { name }

    var share: CpuShare {
      CpuShare(
        SystemFiles(onlineCores: online) { path in
          switch path {
          case "/proc/self/status":
            return "Name:\tx\nCpus_allowed:\tff\n"
              + (mask.map { "Cpus_allowed_list:\t\($0)\nMems_allowed:\t1\n" } ?? "")
          case "/proc/self/cgroup": return groups
          default:
            let root = "/sys/fs/cgroup/"
            return path.hasPrefix(root) ? files[String(path.dropFirst(root.count))] : nil
          }
        })
    }
  }

  static let masks: [Machine] = [
    .init(name: "a range", mask: "0-3", cores: 4, threads: (4, 4)),
    .init(name: "one core", mask: "5", cores: 1, threads: (1, 1)),
    .init(name: "ranges and cores", mask: "0-3,8,10-11", cores: 7, threads: (7, 7)),
    .init(name: "more cores than may be asked for", mask: "0-511", cores: 512, threads: (256, 256)),
    .init(name: "no mask", mask: nil, cores: 8, threads: (8, 8)),
    .init(name: "an empty mask", mask: "", cores: 8, threads: (8, 8)),
    .init(name: "words", mask: "all of them", cores: 8, threads: (8, 8)),
    .init(name: "a range turned round", mask: "3-0", cores: 8, threads: (8, 8)),
    .init(name: "a range of three ends", mask: "0-1-2", cores: 8, threads: (8, 8)),
    .init(name: "a range without end", mask: "0-", cores: 8, threads: (8, 8)),
    .init(name: "a negative core", mask: "-1", cores: 8, threads: (8, 8)),
    .init(
      name: "a range past all numbers", mask: "0-9223372036854775807", cores: 8, threads: (8, 8)),
    .init(
      name: "a number past all numbers", mask: "0-92233720368547758070", cores: 8, threads: (8, 8)),
    .init(name: "nothing online", mask: nil, online: -1, cores: 1, threads: (1, 1)),
  ]

  /// Version 2 of control groups: `cpu.max`, of the process's own group and of those around it.
  static let version2: [Machine] = [
    .init(
      name: "a container's root", mask: "0-7", groups: "0::/\n",
      files: ["cpu.max": "200000 100000\n"], cores: 8, threads: (2, 2)),
    .init(
      name: "two and a half cores", mask: "0-7", groups: "0::/\n",
      files: ["cpu.max": "250000 100000\n"], cores: 8, threads: (3, 2)),
    .init(
      name: "half a core", mask: "0-7", groups: "0::/\n", files: ["cpu.max": "50000 100000\n"],
      cores: 8, threads: (1, 1)),
    .init(
      name: "a quota larger than the mask", mask: "0-1", groups: "0::/\n",
      files: ["cpu.max": "650000 100000\n"], cores: 2, threads: (2, 2)),
    .init(
      name: "no limit", mask: "0-7", groups: "0::/\n", files: ["cpu.max": "max 100000\n"],
      cores: 8, threads: (8, 8)),
    .init(
      name: "the least of nested groups, the outer", mask: "0-7", groups: "0::/a.slice/b\n",
      files: [
        "a.slice/b/cpu.max": "500000 100000\n", "a.slice/cpu.max": "350000 100000\n",
        "cpu.max": "max 100000\n",
      ], cores: 8, threads: (4, 3)),
    .init(
      name: "the least of nested groups, the inner", mask: "0-7", groups: "0::/a.slice/b\n",
      files: ["a.slice/b/cpu.max": "150000 100000\n", "a.slice/cpu.max": "700000 100000\n"],
      cores: 8, threads: (2, 1)),
    .init(
      name: "the least where periods differ", mask: "0-7", groups: "0::/a/b\n",
      files: ["a/b/cpu.max": "30000 10000\n", "a/cpu.max": "250000 100000\n"], cores: 8,
      threads: (3, 2)),
    .init(
      name: "another process's group", mask: "0-7", groups: "0::/a\n",
      files: ["b/cpu.max": "100000 100000\n"], cores: 8, threads: (8, 8)),
    .init(
      name: "a group outside of what is seen", mask: "0-7", groups: "0::/../../a\n",
      files: ["cpu.max": "300000 100000\n", "../../a/cpu.max": "100000 100000\n"], cores: 8,
      threads: (3, 3)),
    .init(
      name: "a path with a colon", mask: "0-7", groups: "0::/a:b\n",
      files: ["a:b/cpu.max": "300000 100000\n"], cores: 8, threads: (3, 3)),
  ]

  /// Version 1: `cpu.cfs_quota_us`, and both versions at once.
  static let version1: [Machine] = [
    .init(
      name: "a container's root", mask: "0-7", groups: "4:cpu,cpuacct:/\n",
      files: ["cpu/cpu.cfs_quota_us": "350000\n", "cpu/cpu.cfs_period_us": "100000\n"], cores: 8,
      threads: (4, 3)),
    .init(
      name: "no limit", mask: "0-7", groups: "4:cpu,cpuacct:/\n",
      files: ["cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"], cores: 8,
      threads: (8, 8)),
    .init(
      name: "the process's own group", mask: "0-7", groups: "5:memory:/m\n4:cpuacct,cpu:/d/e\n",
      files: [
        "cpu/d/e/cpu.cfs_quota_us": "120000\n", "cpu/d/e/cpu.cfs_period_us": "50000\n",
        "cpu/d/cpu.cfs_quota_us": "-1\n", "cpu/d/cpu.cfs_period_us": "100000\n",
      ], cores: 8, threads: (3, 2)),
    .init(
      name: "a host's path in a container", mask: "0-7", groups: "4:cpu,cpuacct:/docker/0a1b\n",
      files: ["cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"], cores: 8,
      threads: (2, 2)),
    .init(
      name: "cpusets are no quota", mask: "0-7", groups: "4:cpuset:/c\n",
      files: ["cpu/c/cpu.cfs_quota_us": "100000\n", "cpu/c/cpu.cfs_period_us": "100000\n"],
      cores: 8, threads: (8, 8)),
    .init(
      name: "both versions, the lesser", mask: "0-7", groups: "4:cpu,cpuacct:/\n0::/\n",
      files: [
        "cpu.max": "600000 100000\n", "cpu/cpu.cfs_quota_us": "500000\n",
        "cpu/cpu.cfs_period_us": "100000\n",
      ], cores: 8, threads: (5, 5)),
  ]

  /// What no kernel writes limits nothing, and ends nothing.
  static let nonsense: [Machine] = [
    "", "max", "100000", "100000 0", "0 100000", "-5 100000", "1e5 100000", "100000 100000 1",
    "100000x 100000", "99999999999999999999 100000", "\u{FFFD}\u{0} 1",
    "9223372036854775807 1", "9223372036854775807 9223372036854775806 ",
  ].map {
    // The last two are quotas; the least period makes the first of them a large one.
    let isOne = $0.hasSuffix("6 ")
    return .init(
      name: "cpu.max of '\($0)'", mask: "0-7", groups: "0::/\n\n::\n0:\n", files: ["cpu.max": $0],
      cores: 8, threads: isOne ? (2, 1) : (8, 8))
  }

  @Test(arguments: masks + version2 + version1 + nonsense)
  func theShareIsWhatTheFilesSay(_ machine: Machine) {
    #expect(machine.share.cores == machine.cores)
    #expect(machine.share.threads(.up) == machine.threads.up)
    #expect(machine.share.threads(.down) == machine.threads.down)
  }

  /// The kernel's own count of this process's mask, by another way than the file.
  @Test func thisProcessHasTheCoresOfItsMask() throws {
    typealias GetAffinity = @convention(c) (pid_t, Int, UnsafeMutableRawPointer) -> Int32
    let address = try #require(dlsym(nil, "sched_getaffinity"))
    var mask = [UInt64](repeating: 0, count: 1 << 10)
    let bytes = unsafeBitCast(address, to: GetAffinity.self)(0, mask.count * 8, &mask)
    #expect(bytes >= 0)
    let cores = mask.reduce(0) { $0 + $1.nonzeroBitCount }
    #expect(CpuShare.own.cores == cores)
    #expect(CpuShare.threads == CpuShare.own.threads())
    #expect((1...min(cores, CpuShare.limit)).contains(CpuShare.threads))
  }
}
