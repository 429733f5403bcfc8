import BertEngine
import BertErrors
import BertKernels
import BertModel
import BertRuntime
import ByteFiles
import CommandSupport
import JSONText
import SystemLibrary

/// Cells as a table or as JSON.
struct BenchReport {
  let served: ServedModel
  let kernels: KernelSet
  let earlier: EarlierRun?
  let showsStages: Bool
  /// The model measured in turn.
  let rival: String?

  private var model: String { served.file.path }

  func printHeader() {
    print("\(model) on \(Self.cpuName()), kernels \(kernels.name)")
    print(
      "precision threads      cell  median ms (min ... max)     tokens/s   GMAC/s  ceiling"
        + "  fraction" + (earlier == nil ? "" : "  vs earlier")
        + (rival == nil ? "" : "  the other"))
    fflush(nil)
  }

  func printRow(_ cell: Cell) {
    let low = cell.milliseconds.min() ?? .nan
    let high = cell.milliseconds.max() ?? .nan
    var line = pad(cell.precision.rawValue, -9) + pad("\(cell.threads)", 8)
    line += pad(cell.workload.label, 10) + pad(fixed(cell.median, 3), 11)
    line += pad(" (\(fixed(low, 3)) ... \(fixed(high, 3)))", -20)
    line += pad(fixed(cell.tokensPerSecond, 0), 8)
    line += pad(fixed(Double(cell.multiplyAdds) / cell.median / 1e6, 1), 9)
    line += pad(fixed(Cell.median(cell.ceilings) / 1e9, 1), 9)
    line += pad(fixed(cell.ceilingFraction * 100, 1) + " %", 10)
    if let old = earlier?.median(cell) { line += pad(fixed(old / cell.median, 2) + " ×", 12) }
    if let ratio = cell.rivalRatio { line += pad(fixed(ratio, 3) + " ×", 11) }
    print(line)
    if showsStages {
      let shares = cell.stages.filter { $0.share >= 0.001 }.map {
        "\($0.stage.name) \(fixed($0.share * 100, 1)) %"
      }
      print("    " + shares.joined(separator: ", "))
    }
    fflush(nil)
  }

  func json(_ cells: [Cell]) -> JSON {
    func ceiling(_ precision: Precision) -> JSON {
      let values = cells.filter { $0.precision == precision }.flatMap(\.ceilings)
      return values.isEmpty ? .null : .number(Cell.median(values) / 1e9)
    }
    return [
      "cpu": .string(Self.cpuName()), "kernel": .string(kernels.name),
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

  private func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "-" }
    let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
    let units = Int((value * scale).rounded())
    if digits == 0 { return "\(units)" }
    let fraction = String(units % Int(scale))
    return "\(units / Int(scale))." + String(repeating: "0", count: digits - fraction.count)
      + fraction
  }

  /// The CPU as the system names it.
  static func cpuName() -> String {
    guard let reader = try? LineReader(path: "/proc/cpuinfo") else { return "unknown CPU" }
    while let line = try? reader.next() {
      let text = String(decoding: line, as: UTF8.self)
      if text.hasPrefix("model name"), let colon = text.firstIndex(of: ":") {
        return String(text[text.index(after: colon)...].drop { $0 == " " })
      }
    }
    return "unknown CPU"
  }
}
