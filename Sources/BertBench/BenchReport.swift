import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import ByteFiles
import JSONText

/// Cells as a table or as JSON.
package struct BenchReport {
  private let served: ServedModel
  private let kernels: KernelSet
  private let earlier: EarlierRun?
  private let showsStages: Bool
  /// The model measured in turn.
  private let rival: String?

  private var model: String { served.file.path }

  /// A report on a model.
  package init(
    served: ServedModel, kernels: KernelSet, earlier: EarlierRun?, showsStages: Bool, rival: String?
  ) {
    self.served = served
    self.kernels = kernels
    self.earlier = earlier
    self.showsStages = showsStages
    self.rival = rival
  }

  /// The lines above the table.
  package var header: String {
    "\(model) on \(Machine.own.cpu), kernels \(kernels.name)\n"
      + "precision threads      cell  median ms (min ... max)     tokens/s   GMAC/s  ceiling"
      + "  fraction" + (earlier == nil ? "" : "  vs earlier") + (rival == nil ? "" : "  the other")
  }

  /// A cell's line, and the line of its stages where they are shown.
  package func row(_ cell: Cell) -> String {
    let low = cell.milliseconds.min() ?? .nan
    let high = cell.milliseconds.max() ?? .nan
    let fixed: (Double, Int) -> String = DecimalText.fixed
    var line = pad(cell.precision.rawValue, -9) + pad("\(cell.threads)", 8)
    line += pad(cell.workload.label, 10) + pad(fixed(cell.median, 3), 11)
    line += pad(" (\(fixed(low, 3)) ... \(fixed(high, 3)))", -20)
    line += pad(fixed(cell.tokensPerSecond, 0), 8)
    line += pad(fixed(Double(cell.multiplyAdds) / cell.median / 1e6, 1), 9)
    line += pad(fixed(Cell.median(cell.ceilings) / 1e9, 1), 9)
    line += pad(fixed(cell.ceilingFraction * 100, 1) + " %", 10)
    if let old = earlier?.median(cell) { line += pad(fixed(old / cell.median, 2) + " ×", 12) }
    if let ratio = cell.rivalRatio { line += pad(fixed(ratio, 3) + " ×", 11) }
    guard showsStages else { return line }
    let stages = cell.stages.filter { $0.share >= 0.001 }.map {
      "\($0.stage.name) \(fixed($0.share * 100, 1)) %"
    }
    return line + "\n    " + stages.joined(separator: ", ")
  }

  /// All cells, and what they were measured with.
  package func json(_ cells: [Cell], digests: [KernelDigest] = []) -> JSON {
    func ceiling(_ precision: Precision) -> JSON {
      let values = cells.filter { $0.precision == precision }.flatMap(\.ceilings)
      return values.isEmpty ? .null : .number(Cell.median(values) / 1e9)
    }
    return [
      "version": .string(Release.version), "cpu": .string(Machine.own.cpu),
      "machine": Machine.own.json, "digests": .array(digests.map(\.json)),
      "kernel": .string(kernels.name),
      "ceiling": ["int8_gmac_s": ceiling(.int8), "float_gmac_s": ceiling(.float32)],
      "model": .string(model), "sizes": sizes,
      "fingerprints": [
        "int8": served.fingerprint(.int8).map { .string($0) } ?? .null,
        "float": served.fingerprint(.float32).map { .string($0) } ?? .null,
      ],
      "cells": .array(cells.map(\.json)),
    ]
  }

  /// What the multiply-adds of a text depend on, and its time.
  private var sizes: JSON {
    let c = served.description.configuration
    return [
      "layers": .integer(c.layerCount), "hidden": .integer(c.hiddenSize),
      "heads": .integer(c.headCount), "intermediate": .integer(c.intermediateSize),
      "activation": .string(c.activation.rawValue),
    ]
  }

  private func pad(_ text: String, _ width: Int) -> String {
    let spaces = String(repeating: " ", count: max(0, abs(width) - text.count))
    return width < 0 ? text + spaces : spaces + text
  }
}
