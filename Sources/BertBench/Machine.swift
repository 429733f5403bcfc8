import BertErrors
import BertKernels
import ByteFiles
import JSONText
import SystemLibrary

/// What a measurement was made on, as far as it bears on speed and on which kernels run.
package struct Machine: Sendable {
  /// The CPU as the system names it; on 64-bit ARM, where it has no name there, as its maker does, or by its numbers.
  package let cpu: String
  /// The CPU's features in the system's words.
  package let features: [String]
  /// The operating system and its release.
  package let system: String
  /// The architecture in the system's words.
  package let architecture: String

  /// This machine.
  package static let own = Machine(processors: processorLines())

  /// A machine whose `/proc/cpuinfo` has these lines, each a key and a value.
  init(processors: [(key: String, value: String)]) {
    func first(_ keys: String...) -> String? { processors.first { keys.contains($0.key) }?.value }
    cpu =
      first("model name")
      ?? ArmProcessor(implementer: first("CPU implementer"), part: first("CPU part"))?.name
      ?? "unknown CPU"
    features = (first("flags", "Features") ?? "").split(separator: " ").map(String.init)
    var names = utsname()
    uname(&names)
    system = Self.text(&names.sysname) + " " + Self.text(&names.release)
    architecture = Self.text(&names.machine)
  }

  private static func processorLines() -> [(key: String, value: String)] {
    guard let reader = try? LineReader(path: "/proc/cpuinfo") else { return [] }
    var lines: [(key: String, value: String)] = []
    // The first processor has all that is asked for.
    while lines.count < 256, let line = try? reader.next() {
      let sides = String(decoding: line, as: UTF8.self).split(
        separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2 else { continue }
      let key = sides[0].prefix { $0 != "\t" }
      lines.append((String(key), String(sides[1].drop { $0 == " " })))
    }
    return lines
  }

  /// A text of the C library in a tuple of characters.
  private static func text<Characters>(_ characters: inout Characters) -> String {
    withUnsafeBytes(of: &characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// This machine, this version and what its kernels gave.
  package static func report(_ digests: [KernelDigest]) -> JSON {
    [
      "version": .string(Release.version), "cpu": .string(own.cpu), "machine": own.json,
      "digests": .array(digests.map(\.json)),
    ]
  }

  /// The kernel sets with what keeps each from running, and all else.
  package var json: JSON {
    let sets = KernelSet.all.map { listing -> JSON in
      ["name": .string(listing.name), "obstacle": listing.obstacle.map { .string($0) } ?? .null]
    }
    return [
      "system": .string(system), "architecture": .string(architecture),
      "cores": .integer(CpuShare.own.cores), "threads": .integer(CpuShare.threads),
      "features": .array(features.map { .string($0) }), "kernel_sets": .array(sets),
    ]
  }
}

/// A 64-bit ARM core, by the numbers that its identification register has.
private struct ArmProcessor {
  let name: String

  init?(implementer: String?, part: String?) {
    guard let implementer, let part else { return nil }
    name = Self.names[implementer + " " + part] ?? "ARM implementer \(implementer), part \(part)"
  }

  private static let names = [
    "0x41 0xd03": "Arm Cortex-A53", "0x41 0xd05": "Arm Cortex-A55", "0x41 0xd07": "Arm Cortex-A57",
    "0x41 0xd08": "Arm Cortex-A72", "0x41 0xd0b": "Arm Cortex-A76", "0x41 0xd0c": "Arm Neoverse N1",
    "0x41 0xd40": "Arm Neoverse V1", "0x41 0xd41": "Arm Cortex-A78",
    "0x41 0xd44": "Arm Cortex-X1", "0x41 0xd47": "Arm Cortex-A710",
    "0x41 0xd49": "Arm Neoverse N2", "0x41 0xd4a": "Arm Neoverse E1",
    "0x41 0xd4f": "Arm Neoverse V2", "0x41 0xd84": "Arm Neoverse V3",
    "0x41 0xd8e": "Arm Neoverse N3", "0x46 0x001": "Fujitsu A64FX", "0xc0 0xac3": "Ampere-1",
    "0xc0 0xac4": "Ampere-1A",
  ]
}
