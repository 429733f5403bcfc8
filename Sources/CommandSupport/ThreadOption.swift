import BertKernels

/// The number of threads as users give it.
package enum ThreadOption {
  /// At most so many as anybody may ask for; says when it takes fewer.
  package static func limited(_ threads: Int) -> Int {
    if threads > CpuShare.limit {
      Console.note("note: --threads \(threads) is more than \(CpuShare.limit); using that")
    }
    return min(threads, CpuShare.limit)
  }
}
