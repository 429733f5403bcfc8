import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq

/// Which cells are measured of a model, and how.
package struct BenchRun {
  /// The model.
  package let served: ServedModel
  /// Another of the same sizes, measured in turn with it.
  package let rival: ServedModel?
  /// The kernels that both are computed with.
  package let kernels: KernelSet
  /// Precisions to measure; all that the file holds when empty.
  package var precisions: [Precision] = []
  /// Numbers of threads; one and this process's share when empty.
  package var threads: [Int] = []
  /// Rounds of a cell.
  package var rounds = 9
  /// Seconds of a round.
  package var seconds = 0.3
  /// The last hidden states that are wanted of each text.
  package var rows = BenchRows.all

  /// Measures a model, alone or in turn with a rival.
  ///
  /// - Throws: `usage` when the rival has other sizes.
  package init(served: ServedModel, rival: ServedModel?, kernels: KernelSet) throws(BertError) {
    if let rival, rival.description.configuration != served.description.configuration {
      throw BertError(
        .usage, "has other sizes than \(served.file.path), so its times say nothing beside it",
        file: rival.file.path)
    }
    self.served = served
    self.rival = rival
    self.kernels = kernels
  }

  /// Measures all cells; `each` is told of one when it is done.
  package func perform(
    _ workloads: [Workload], each: (Cell) -> Void
  ) throws(BertError) -> [Cell] {
    var done: [Cell] = []
    for threads in threadCounts {
      let team = ThreadTeam(count: threads)
      for precision in heldPrecisions {
        let encoder = try served.encoder(precision, kernels: kernels, team: team)
        let other = try rival.map { model throws(BertError) in
          try model.encoder(precision, kernels: kernels, team: team)
        }
        let measurement = Measurement(
          encoder: encoder, rival: other, rounds: rounds, seconds: seconds)
        for workload in workloads {
          let cell = try measurement.run(workload)
          each(cell)
          done.append(cell)
        }
      }
    }
    return done
  }

  var threadCounts: [Int] {
    if !threads.isEmpty { return threads }
    return CpuShare.threads > 1 ? [1, CpuShare.threads] : [1]
  }

  var heldPrecisions: [Precision] {
    precisions.isEmpty ? [.int8, .float32].filter { served.holds($0) } : precisions
  }

  /// The workloads that names stand for: `BATCHxLENGTH`, or `ragged`.
  ///
  /// - Parameters:
  ///   - input: a file of texts for `ragged`; nil for lengths as sentences have them.
  ///   - note: told of cells that the model is too short for.
  /// - Throws: `usage` for other names, or when nothing is left to measure.
  package func workloads(
    _ names: [String], input: String?, note: (String) -> Void
  ) throws(BertError) -> [Workload] {
    let c = served.description.configuration
    var list: [Workload] = []
    for name in names {
      if name == "ragged" {
        let ragged =
          if let input { try Workload.ragged(served, file: input, rows) } else {
            try Workload.ragged(c, rows)
          }
        list.append(ragged)
        continue
      }
      let parts = name.split(separator: "x", omittingEmptySubsequences: false)
      let sizes = parts.compactMap { Int($0) }
      guard parts.count == 2, sizes.count == 2, sizes[0] > 0, sizes[1] > 0, sizes[0] <= 4096 else {
        throw BertError(
          .usage,
          "'\(name)' is no cell; expected BATCHxLENGTH, with a BATCH of 1 to 4096, or ragged")
      }
      if sizes[1] > c.maximumPositions {
        note("\(name) left out: the model has \(c.maximumPositions) positions")
        continue
      }
      list.append(try Workload.grid(batch: sizes[0], length: sizes[1], c, rows))
    }
    if list.isEmpty {
      throw BertError(
        .usage, "no cell is left to measure: name shorter ones", file: served.file.path)
    }
    return list
  }
}
