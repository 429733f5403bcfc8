import BertKernels
import SystemLibrary
import Testing

/// The sets under test.
enum KernelSets {
  /// The one all others must equal.
  static var portable: bk_kernels {
    get throws { try #require(KernelSet.available.last { $0.name == "portable" }).calls }
  }
  /// Those that this CPU can run, the portable one aside.
  static var others: [KernelSet] { KernelSet.available.filter { $0.name != "portable" } }

  /// Whether to try every shape and not a sample: minutes instead of seconds.
  static var isFullSweep: Bool {
    environment("BERTQ_KERNEL_SWEEP") == "full"
  }

  /// Runs `work` with every set and expects what it returns from the portable one.
  @discardableResult
  static func expectSame<Result: Equatable>(
    _ what: @autoclosure () -> String, sourceLocation: SourceLocation = #_sourceLocation,
    _ work: (bk_kernels) throws -> Result
  ) throws -> Result {
    let expected = try work(portable)
    for set in others {
      let isSame = try work(set.calls) == expected
      if !isSame {
        Issue.record("\(set.name) differs from portable: \(what())", sourceLocation: sourceLocation)
      }
    }
    return expected
  }
}
