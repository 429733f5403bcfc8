import BertErrors
import FoundationEssentials
import SystemLibrary

/// One of the package's programs, run as a process of its own.
package struct Program: Sendable {
  /// Where it lies.
  package let path: String

  /// `bert-convert`.
  package static let convert = Program("bert-convert")
  /// `bert-run`.
  package static let run = Program("bert-run")
  /// `bert-bench`.
  package static let bench = Program("bert-bench")

  /// A program of this name beside the running test bundle, where the build puts both.
  package init(_ name: String) {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let own = String(
      decoding: buffer[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let candidates =
      [own, CommandLine.arguments.first ?? ""].map { Self.folder(of: $0) } + [
        SharedData.packageRoot + "/.build/release", SharedData.packageRoot + "/.build/debug",
      ]
    let found = candidates.first { exists($0 + "/" + name) } ?? candidates[0]
    path = found + "/" + name
  }

  /// A program at a path.
  package init(at path: String) { self.path = path }

  private static func folder(of path: String) -> String {
    path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
  }

  /// Whether python3 with NumPy is here, which some tests read or make files with.
  package static let hasNumPy =
    (try? Program(at: "/usr/bin/env")("python3", "-c", "import numpy").code) == 0
  /// Whether script(1) is here, which makes a terminal.
  package static let hasTerminals =
    (try? Program(at: "/usr/bin/env")("script", "--version").code) == 0

  /// What a process left behind.
  package struct Outcome: Sendable {
    /// Its exit code, or 128 plus the signal that ended it.
    package let code: Int32
    /// Its standard output.
    package let output: [UInt8]
    /// Its standard error.
    package let errors: String
    /// The most memory it had in use, in bytes.
    package let peakMemory: Int
    /// Its standard output as text.
    package var text: String { String(decoding: output, as: UTF8.self) }
    /// The lines of its standard output.
    package var lines: [String] { text.split(separator: "\n").map(String.init) }
  }

  /// The longest that a process may take, in seconds: beyond it is taken to hang.
  package static let patience = 120.0

  /// Runs the program to its end.
  ///
  /// - Parameters:
  ///   - input: its standard input.
  ///   - environment: variables set besides the test's own.
  ///   - killedAfter: seconds after which it gets `signal`; nil lets it run.
  package func callAsFunction(
    _ arguments: String..., input: [UInt8] = [], environment: [String: String] = [:],
    killedAfter: Double? = nil, by signal: Int32 = SIGKILL
  ) throws -> Outcome {
    try run(
      arguments, input: input, environment: environment, killedAfter: killedAfter, by: signal)
  }

  /// Runs the program to its end with a list of arguments.
  package func run(
    _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:],
    killedAfter: Double? = nil, by signal: Int32 = SIGKILL
  ) throws -> Outcome {
    let folder = try TemporaryFolder()
    try writeBytes(input, to: folder / "in")
    let process = try spawn(arguments, folder, environment)
    let (status, memory) = try wait(process, killedAfter, signal)
    return Outcome(
      code: status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F),
      output: try readBytes(folder / "out"),
      errors: String(decoding: try readBytes(folder / "err"), as: UTF8.self), peakMemory: memory)
  }

  private func spawn(
    _ arguments: [String], _ folder: TemporaryFolder, _ environment: [String: String]
  ) throws -> pid_t {
    var files = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&files)
    defer { posix_spawn_file_actions_destroy(&files) }
    let create = O_WRONLY | O_CREAT | O_TRUNC
    posix_spawn_file_actions_addopen(&files, 0, folder / "in", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&files, 1, folder / "out", create, 0o600)
    posix_spawn_file_actions_addopen(&files, 2, folder / "err", create, 0o600)
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    var list = ([path] + arguments).map { strdup($0) } + [nil]
    var settings = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in list + settings { free(text) } }
    // Signals do what they do by default, though the threads of tests block them.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    var process = pid_t()
    let result = posix_spawn(&process, path, &files, &attributes, &list, &settings)
    if result != 0 {
      throw BertError(
        .system, "cannot be started: \(String(cString: strerror(result)))", file: path)
    }
    return process
  }

  /// Waits for a process; gives its status and the most memory it had in use.
  private func wait(
    _ process: pid_t, _ killedAfter: Double?, _ signal: Int32
  ) throws -> (Int32, Int) {
    let step = 0.0005
    var (waited, status, memory) = (0.0, Int32(0), 0)
    while waitpid(process, &status, WNOHANG) == 0 {
      memory = max(memory, Self.peakMemory(of: process))
      if let killedAfter, waited >= killedAfter { kill(process, signal) }
      if waited > Self.patience {
        kill(process, SIGKILL)
        waitpid(process, &status, 0)
        throw BertError(.system, "did not end within \(Self.patience) seconds", file: path)
      }
      usleep(UInt32(step * 1e6))
      waited += step
    }
    return (status, memory)
  }

  /// The most memory that a process had in use so far; 0 when it has ended.
  ///
  /// Not what `wait4` says: Linux counts there what the process that started it had in use.
  private static func peakMemory(of process: pid_t) -> Int {
    guard let status = try? readBytes("/proc/\(process)/status") else { return 0 }
    let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
    guard let line = lines.first(where: { $0.hasPrefix("VmHWM:") }) else { return 0 }
    return (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) << 10
  }
}
