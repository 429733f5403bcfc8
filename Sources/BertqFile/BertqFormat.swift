import BertErrors
import BertModel

/// The constants and limits of the format; `formats/bertq.md` explains them.
package enum BertqFormat {
  /// What to do about a file that is not as it was written.
  static let getAgain = "get it again, or convert the checkpoint again"
  /// The version of the byte layout that this package writes, and the newest that it reads.
  package static let version: UInt32 = 2
  /// The oldest version that it reads: 1 was never released.
  static let oldestVersion: UInt32 = 2
  /// What every tensor's offset is a multiple of.
  package static let alignment = 64
  /// Bytes under one checksum; the last chunk of a tensor may be shorter.
  package static let chunkSize = 65_536

  /// Not ASCII, so not text; CR LF and LF that a transfer in text mode would change; and ^Z.
  package static let magic: [UInt8] = [0x89, 0x42, 0x54, 0x51, 0x0D, 0x0A, 0x1A, 0x0A]
  static let prologueSize = 64

  static let largestHeader = 16 << 20
  /// All that decoding a header may allocate, what it frees again included.
  static let largestAllocation = 64 << 20
  static let mostTensors = 65_536
  static let longestName = 255
  static let largestRank = 4
  static let largestDimension = 1 << 40
  /// Labels, settings, architectures: the most of each.
  static let mostStrings = 65_536
  static let longestString = 65_536

  /// `offset` rounded up to the alignment; nil when that overflows.
  static func aligned(_ offset: Int) -> Int? {
    let (sum, overflow) = offset.addingReportingOverflow(alignment - 1)
    return overflow || sum < 0 ? nil : sum & ~(alignment - 1)
  }

  /// Checksums of a tensor of `bytes` bytes.
  static func chunkCount(_ bytes: Int) -> Int {
    bytes / chunkSize + (bytes % chunkSize == 0 ? 0 : 1)
  }
}

/// A tensor's name and kind: what a writer must know of every tensor before the first byte.
package struct BertqTensor: Equatable, Sendable {
  /// Its canonical name: letters, digits, `.`, `_`, `-`; at most 255.
  package let name: String
  /// What its elements are.
  package let elementType: ElementType
  /// How they lie.
  package let layout: TensorLayout
  /// Logical sizes, outermost first: one to four, none of them 0.
  package let shape: [Int]

  /// Plans a tensor.
  package init(_ name: String, _ elementType: ElementType, _ layout: TensorLayout, _ shape: [Int]) {
    self.name = name
    self.elementType = elementType
    self.layout = layout
    self.shape = shape
  }

  /// Bytes in the file.
  ///
  /// - Throws: `malformed` when name or shape break the format's limits.
  package func byteCount() throws(BertError) -> Int {
    let isAllowed = name.utf8.allSatisfy {
      switch $0 {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
    guard isAllowed, (1...BertqFormat.longestName).contains(name.utf8.count) else {
      throw BertError(
        .malformed,
        "a tensor's name must be 1 to \(BertqFormat.longestName) letters, digits, '.', '_' or "
          + "'-'; found \(name.utf8.count) bytes: \(printable(name))")
    }
    guard (1...BertqFormat.largestRank).contains(shape.count),
      shape.allSatisfy({ (1...BertqFormat.largestDimension).contains($0) })
    else {
      throw BertError(
        .malformed,
        "has shape \(shape.prefix(8)) with \(shape.count) dimensions; expected 1 to "
          + "\(BertqFormat.largestRank), each from 1 to 2^40", tensor: name)
    }
    guard let count = layout.byteCount(shape: shape, elementType: elementType) else {
      throw BertError(
        .malformed,
        "\(elementType.rawValue) \(layout.rawValue) \(shape) is no possible tensor: the layout is "
          + "for another rank or element type, or its size overflows", tensor: name)
    }
    return count
  }
}

/// One thing the quantiser was told or chose.
package struct BertqSetting: Equatable, Sendable {
  /// What was set.
  package let key: String
  /// To what.
  package let value: String

  /// Makes a setting.
  package init(_ key: String, _ value: String) {
    self.key = key
    self.value = value
  }
}

/// Text from a file made fit for a message: at most 40 characters, controls escaped.
func printable(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars.prefix(40) { result += scalar.escaped(asASCII: true) }
  return result + (text.unicodeScalars.count > 40 ? "\"..." : "\"")
}
