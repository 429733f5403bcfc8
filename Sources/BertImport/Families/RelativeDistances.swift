import BertErrors
import BertModel
import JSONText
import SystemLibrary

/// What a configuration says of scores' terms by distance, and which rows of the published table they are made of.
///
/// The published table has a row for each bucket of distances, from the keys that lie farthest behind a query to those that
/// lie farthest before it. It is shared by all layers; each multiplies it by its own keys' and queries' linears, or by
/// linears that are there for nothing else.
struct RelativeDistances: Sendable {
  /// What a file says of them.
  let terms: RelativeTerms
  /// Rows of the published table.
  let publishedRows: Int
  /// The published row of each row of the tables in a file.
  let rows: [Int]
  /// Whether a norm stands between the table and the linears.
  let isNormalised: Bool
  /// Whether the linears are those of the layer's own keys and queries.
  let sharesLinears: Bool

  /// Those of a configuration; nil where tokens are told apart by positions alone.
  ///
  /// - Throws: `unsupported` for what is not computed, with its key; `malformed`.
  init?(_ json: JSON, positions: Int) throws(BertError) {
    let types = try Self.words(json["pos_att_type"] ?? .null, "pos_att_type")
    guard try json.flag("relative_attention") == true else {
      if !types.isEmpty {
        throw BertError(
          .unsupported,
          "relative_attention is false, and pos_att_type is not empty; only the two together are supported"
        )
      }
      return nil
    }
    guard !types.isEmpty, Set(types).isSubset(of: ["c2p", "p2c"]) else {
      throw BertError(
        .unsupported,
        "pos_att_type is \((json["pos_att_type"] ?? .null).text().prefix(80)); \"c2p\", \"p2c\" and both are supported"
      )
    }
    let norms = try Self.words(json["norm_rel_ebd"] ?? .null, "norm_rel_ebd")
    guard norms == [] || norms == ["none"] || norms == ["layer_norm"] else {
      throw BertError(
        .unsupported,
        "norm_rel_ebd is \((json["norm_rel_ebd"] ?? .null).text().prefix(80)); \"none\" and \"layer_norm\" are supported"
      )
    }
    isNormalised = norms == ["layer_norm"]
    sharesLinears = try json.flag("share_att_key") == true
    let buckets = try Self.number(json, "position_buckets")
    let farthest = try Self.number(json, "max_relative_positions") ?? positions
    let scale = try buckets.map { count throws(BertError) in
      try LogarithmicBuckets(count, farthest: farthest, positions: positions)
    }
    let span = buckets ?? farthest
    publishedRows = 2 * span
    var starts: [Int] = []
    // Published rows of keys before and behind the query, of each class; both are held to the table.
    var sides: [(before: Int, behind: Int)] = []
    for distance in 0..<max(1, min(positions, BertConfiguration.largestBiasSpan)) {
      let bucket = scale?.bucket(distance) ?? distance
      let rows = (before: max(span - bucket, 0), behind: min(span + bucket, 2 * span - 1))
      if let last = sides.last, last == rows { continue }
      starts.append(distance)
      sides.append(rows)
    }
    // Keys behind the query are those with a negative distance from the query back to them.
    rows = sides.dropFirst().reversed().map(\.before) + sides.map(\.behind)
    terms = RelativeTerms(
      starts: starts, hasKeys: types.contains("c2p"), hasQueries: types.contains("p2c"))
  }

  /// Words in a list, or in a text between bars.
  private static func words(_ value: JSON, _ key: String) throws(BertError) -> [String] {
    if value.isNull { return [] }
    if let text = value.stringValue {
      return text.lowercased().split(separator: "|").map { trimmed($0) }.filter { !$0.isEmpty }
    }
    guard let list = value.arrayValue, list.allSatisfy({ $0.stringValue != nil }) else {
      throw BertError(
        .malformed, "\(key) is \(value.text().prefix(80)); expected words, such as \"p2c|c2p\"")
    }
    return list.compactMap(\.stringValue)
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }

  /// A number of distances; nil where none is said, or one below 1, as the published classes take it.
  private static func number(_ json: JSON, _ key: String) throws(BertError) -> Int? {
    guard let value = json[key], !value.isNull else { return nil }
    guard let number = value.integerValue, number <= BertConfiguration.largestBiasSpan else {
      throw BertError(
        .unsupported,
        "\(key) is \(value.text().prefix(40)); whole numbers up to \(BertConfiguration.largestBiasSpan) are supported"
      )
    }
    return number < 1 ? nil : number
  }
}

/// Buckets of one distance up to half of their number, then by its logarithm: in binary32, as the published classes compute
/// them, so that what they round up is rounded up here.
private struct LogarithmicBuckets {
  private let middle: Int
  private let whole: Float

  /// - Throws: `unsupported` where the logarithm has no meaning for a distance that occurs.
  init(_ count: Int, farthest: Int, positions: Int) throws(BertError) {
    middle = count / 2
    guard middle >= 1, farthest - 1 > middle || positions <= middle + 1 else {
      throw BertError(
        .unsupported,
        "position_buckets is \(count) and max_relative_positions \(farthest): half of the buckets must be 1 at least, "
          + "and lie below the farthest position")
    }
    whole = Self.logarithm(Float(Double(farthest - 1) / Double(middle)))
  }

  func bucket(_ distance: Int) -> Int {
    if distance <= middle { return distance }
    let part = Self.logarithm(Float(distance) / Float(middle)) / whole
    return Int((part * Float(middle - 1)).rounded(.up) + Float(middle))
  }

  private static func logarithm(_ x: Float) -> Float { Float(log(Double(x))) }
}
