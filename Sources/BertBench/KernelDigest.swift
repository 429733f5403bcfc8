import BertKernels
import CKernelCheck
import JSONText

/// What a kernel set computes in a fixed list of cases, as one number that is the same for all sets on all CPUs.
package struct KernelDigest: Sendable {
  /// The set's name.
  package let set: String
  /// The digest of its results.
  package let value: UInt64
  /// The same of attention whose scores have biases.
  package let biased: UInt64
  /// The same of gates and turned queries.
  package let relatives: UInt64
  /// The same of attention in a window.
  package let windows: UInt64
  /// The same of attention whose scores have terms by distance.
  package let terms: UInt64

  /// Whether all are the known ones.
  package var isRight: Bool {
    value == kernel_check_known_digest && biased == kernel_check_known_bias_digest
      && relatives == kernel_check_known_relatives_digest
      && windows == kernel_check_known_window_digest
      && terms == kernel_check_known_term_digest
  }

  /// Runs the cases with each of some sets, a second or so for each; one caller at a time.
  package static func each(of sets: [KernelSet]) -> [KernelDigest] {
    sets.map {
      KernelDigest(
        set: $0.name, value: kernel_check_digest($0.table),
        biased: kernel_check_bias_digest($0.table),
        relatives: kernel_check_relatives_digest($0.table),
        windows: kernel_check_window_digest($0.table),
        terms: kernel_check_term_digest($0.table))
    }
  }

  /// A line for people.
  package var line: String {
    let known = Self.hexadecimal(kernel_check_known_digest)
    func other(_ what: String, _ value: UInt64, _ known: UInt64) -> String {
      value == known
        ? ""
        : "; \(what) \(Self.hexadecimal(value)), WRONG, expected \(Self.hexadecimal(known))"
    }
    let isKnown = value == kernel_check_known_digest
    return "\(set): \(Self.hexadecimal(value)), \(isKnown ? "right" : "WRONG, expected \(known)")"
      + other("with biases", biased, kernel_check_known_bias_digest)
      + other("of relatives", relatives, kernel_check_known_relatives_digest)
      + other("of windows", windows, kernel_check_known_window_digest)
      + other("of relative terms", terms, kernel_check_known_term_digest)
  }

  /// The set, the digest and whether it is right.
  package var json: JSON {
    ["kernel": .string(set), "digest": .string(Self.hexadecimal(value)), "right": .bool(isRight)]
  }

  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
