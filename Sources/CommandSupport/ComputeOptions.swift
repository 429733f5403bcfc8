import ArgumentParser
import BertErrors
import BertKernels
import Bertq

/// What a program is told about how to compute.
package struct ComputeOptions: ParsableArguments {
  @Option(help: "Threads to use (default: this process's share of the cores).")
  package var threads: Int?

  @Option(
    help: ArgumentHelp(
      "The most tokens computed at once, which bounds memory; results do not depend on it.",
      valueName: "tokens"))
  package var tokenBudget: Int?

  @Option(
    help: "Force a kernel set; --cpu lists them.",
    completion: .list(KernelSet.all.map(\.name)))
  package var kernels: String?

  /// The defaults.
  package init() {}

  package func validate() throws {
    if let threads, threads < 1 {
      throw ValidationError("--threads is \(threads); it must be at least 1")
    }
    if let tokenBudget, tokenBudget < 1 {
      throw ValidationError("--token-budget is \(tokenBudget); it must be at least 1")
    }
  }

  /// How many threads to use; says so where fewer are used than asked for.
  package var threadCount: Int {
    threads.map(ThreadOption.limited) ?? CpuShare.threads
  }

  /// Prints the kernel sets, best first, and marks the choice.
  package static func list(chosen: KernelSet) {
    for listing in KernelSet.all {
      let mark = listing.name == chosen.name ? "*" : " "
      let state = listing.obstacle.map { "not available: \($0)" } ?? "available"
      print("\(mark) \(listing.name)  \(state); needs \(listing.requires)")
    }
  }
}
