import BertErrors
import BertModel
import JSONText
import SystemLibrary

/// The tensors that are no published ones: the configuration says what is in them.
///
/// They are made as the published classes make them, in binary32 where those do, so that a file holds the numbers
/// that the model was trained with. No sine and no power is computed by what runs the file.
struct MadeTensors: Sendable {
  /// By how much two neighbouring positions turn each pair; empty where nothing is turned.
  private let frequencies: [Float]
  /// The same in layers whose tokens see those near them alone; empty where there are none.
  private let windowFrequencies: [Float]
  /// What a head's score loses for each token of distance; empty where it loses nothing.
  private let slopes: [Float]

  /// - Throws: `unsupported` for another scaling of the angles than those that are computed; `malformed`.
  init(
    _ json: JSON, _ configuration: BertConfiguration, of family: Family
  ) throws(BertError) {
    slopes = family.hasSlopes ? Self.slopes(configuration.headCount) : []
    guard let base = family.rotaryBase, let size = configuration.rotarySize else {
      (frequencies, windowFrequencies) = ([], [])
      return
    }
    let parameters = json["rope_parameters"] ?? .null
    guard let windowBase = family.windowBase else {
      frequencies = try Self.frequencies(json, parameters, "rope_theta", base: base, size: size)
      windowFrequencies = []
      return
    }
    try LayerKind.check(parameters)
    func ofLayers(_ kind: LayerKind, _ base: Double) throws(BertError) -> [Float] {
      try Self.frequencies(
        json, parameters[kind.rawValue] ?? .null, kind.baseKey, base: base, size: size)
    }
    frequencies = try ofLayers(.whole, base)
    windowFrequencies = configuration.window == nil ? [] : try ofLayers(.window, windowBase)
  }

  /// A tensor's values; nil where they are zeros.
  func values(_ name: String, _ shape: [Int]) -> [Float]? {
    switch name {
    case CanonicalName.rotaryCosines: angles(shape[0], frequencies).map(Self.cosine)
    case CanonicalName.rotarySines: angles(shape[0], frequencies).map(Self.sine)
    case CanonicalName.windowCosines: angles(shape[0], windowFrequencies).map(Self.cosine)
    case CanonicalName.windowSines: angles(shape[0], windowFrequencies).map(Self.sine)
    case CanonicalName.attentionBias where !slopes.isEmpty:
      slopes.flatMap { slope in
        (0..<shape[1]).map { -slope * Float(abs($0 - shape[1] / 2)) }
      }
    default: nil
    }
  }

  private static func cosine(_ angle: Float) -> Float { Float(cos(Double(angle))) }
  private static func sine(_ angle: Float) -> Float { Float(sin(Double(angle))) }

  private func angles(_ positions: Int, _ frequencies: [Float]) -> [Float] {
    (0..<positions).flatMap { position in frequencies.map { Float(position) * $0 } }
  }

  /// `base` to the powers of 0, 2/size, 4/size …, inverted, perhaps scaled.
  ///
  /// - Parameter key: what says another base where the parameters do not.
  private static func frequencies(
    _ json: JSON, _ parameters: JSON, _ key: String, base: Double, size: Int
  ) throws(BertError) -> [Float] {
    func number(_ json: JSON, _ key: String) throws(BertError) -> Double? {
      guard let value = json[key] else { return nil }
      guard let number = value.numberValue, number > 0, number < 1e12 else {
        throw BertError(
          .malformed, "\(key) is \(value.text().prefix(40)); expected a number above 0")
      }
      return number
    }
    let own = try number(parameters, "rope_theta")
    let published = try number(json, key)
    var base = own ?? published ?? base
    var divisor: Float = 1
    if let factor = try scaling(json, parameters, number) {
      base *= factor
      divisor = Float(pow(factor, 2 / Double(size)))
    }
    return (0..<size / 2).map { pair in
      let exponent = Float(2 * pair) / Float(size)
      return 1 / Float(pow(Double(Float(base)), Double(exponent))) / divisor
    }
  }

  /// The factor of a fixed NTK scaling; nil for none.
  private static func scaling(
    _ json: JSON, _ parameters: JSON, _ number: (JSON, String) throws(BertError) -> Double?
  ) throws(BertError) -> Double? {
    let type = parameters["rope_type"] ?? .null
    if type != .null && type != "default" {
      throw BertError(
        .unsupported, "rope_type is \(type.text().prefix(80)); only \"default\" is supported")
    }
    guard let scaling = json["rope_scaling"], !scaling.isNull else { return nil }
    let known: Set = ["type", "factor"]
    guard scaling["type"] == "ntk", let factor = try number(scaling, "factor"),
      (scaling.objectValue?.keys ?? []).allSatisfy({ known.contains($0) })
    else {
      throw BertError(
        .unsupported,
        "rope_scaling is \(scaling.text().prefix(80)); only the type \"ntk\" with a factor is "
          + "supported")
    }
    return factor
  }

  /// ALiBi's: a geometric series for a power of two, and between its numbers every other one of the next.
  private static func slopes(_ heads: Int) -> [Float] {
    func series(_ count: Int) -> [Double] {
      (1...count).map { pow(2, -8 * Double($0) / Double(count)) }
    }
    var whole = 1
    while 2 * whole <= heads { whole *= 2 }
    let between = series(2 * whole).enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
    return (series(whole) + between.prefix(heads - whole)).map { Float($0) }
  }
}
