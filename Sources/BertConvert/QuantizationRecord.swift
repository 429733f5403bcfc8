import BertErrors
import BertModel
import BertQuantize
import BertqFile
import JSONText

/// What the quantiser did, for the file's header and for the report.
struct QuantizationRecord {
  /// What is known before the first weight is looked at.
  private let fixed: [BertqSetting]
  private let layerCount: Int
  private let isCalibrated: Bool
  private var measured: [Key: CalibratedQuantizer.Measured] = [:]
  /// Linears that stay in float, with the reason.
  var kept: [(linear: LinearName, reason: String)] = []
  /// What a user should know.
  private(set) var notices: [String] = []

  private struct Key: Hashable {
    let layer: Int
    let site: LinearSite
  }

  init(
    recipe: Recipe, configuration: BertConfiguration, calibration: CalibrationInput?
  ) {
    var settings = [BertqSetting("recipe", "\(Recipe.version)")]
    if !recipe.omitted.isEmpty { settings.append(BertqSetting("recipe.without", recipe.omitted)) }
    settings += calibration?.settings ?? [BertqSetting("calibration", "none")]
    let compensates = calibration != nil && recipe.contains(.compensation)
    settings.append(BertqSetting("rounding", compensates ? "compensated" : "nearest"))
    if compensates { settings.append(BertqSetting("damping", "\(CalibratedQuantizer.damping)")) }
    if recipe.contains(.balance) {
      settings.append(BertqSetting("balance.by", calibration == nil ? "norms" : "texts"))
      settings.append(BertqSetting("balance.exponent", "\(Balance.exponent)"))
    }
    for site in LinearSite.allCases {
      let rotation = recipe.rotation(site, inputs: site.inputs(configuration))
      settings.append(BertqSetting("rotation.\(site.name)", rotation.text))
    }
    fixed = settings
    layerCount = configuration.storedLayerCount
    isCalibrated = calibration != nil
    notices = calibration?.notices ?? []
  }

  mutating func add(_ layer: Int, _ site: LinearSite, _ result: CalibratedQuantizer.Measured) {
    measured[Key(layer: layer, site: site)] = result
    if let damping = result.damping, damping != CalibratedQuantizer.damping {
      notices.append(
        "\(CanonicalName.linear(layer, site)): its inputs' moments were damped by \(damping)")
    }
  }

  /// The header's settings; before anything was measured, with zeros as long as what will follow.
  var settings: [BertqSetting] {
    var list = fixed
    let floats = Set(kept.map(\.linear))
    for (layer, site) in linears {
      let name = CanonicalName.linear(layer, site)
      if floats.contains(LinearName(layer, site)) {
        list.append(BertqSetting("\(name).precision", "float"))
      } else if isCalibrated {
        let result = measured[Key(layer: layer, site: site)]
        list.append(BertqSetting("\(name).sqnr_db", Self.fiveCharacters(result?.sqnr)))
        list.append(
          BertqSetting("\(name).nearest_sqnr_db", Self.fiveCharacters(result?.nearestSQNR)))
      }
    }
    return list
  }

  private var linears: [(layer: Int, site: LinearSite)] {
    (0..<layerCount).flatMap { layer in
      LinearSite.allCases.map { (layer: layer, site: $0) }
    }
  }

  /// The settings and every linear as JSON.
  var json: JSON {
    let reasons = Dictionary(kept.map { ($0.linear, $0.reason) }) { first, _ in first }
    let list = linears.map { layer, site -> JSON in
      var members: [(String, JSON)] = [("name", .string(CanonicalName.linear(layer, site)))]
      let reason = reasons[LinearName(layer, site)]
      members.append(("precision", .string(reason == nil ? "int8" : "float")))
      if let reason { members.append(("reason", .string(reason))) }
      if let result = measured[Key(layer: layer, site: site)] {
        members.append(("sqnr_db", Self.number(result.sqnr)))
        members.append(("nearest_sqnr_db", Self.number(result.nearestSQNR)))
      }
      return .object(JSONObject(members))
    }
    return [
      "settings": .object(JSONObject(fixed.map { ($0.key, .string($0.value)) })),
      "linears": .array(list),
      "notices": .array(notices.map { .string($0) }),
    ]
  }

  private static func number(_ decibels: Double) -> JSON {
    decibels.isFinite ? .number((decibels * 100).rounded() / 100) : .null
  }

  /// Decibels in five characters, from -9.99 to 99.99: what is measured later fits the room of what is not yet.
  private static func fiveCharacters(_ decibels: Double?) -> String {
    let value = decibels.map { $0.isNaN ? 0 : max(-9.99, min(99.99, $0)) } ?? 0
    let text = DecimalText.fixed(value, 2)
    return text.utf8.count < 5 ? "0" + text : text
  }
}

extension Rotation {
  /// The parts by name.
  fileprivate var text: String {
    let parts: [(Rotation, String)] = [
      (.vectors, "vectors"), (.thirds, "thirds"), (.lanes, "lanes"),
    ]
    let names = parts.filter { contains($0.0) }.map(\.1)
    return names.isEmpty ? "none" : names.joined(separator: "+")
  }
}
