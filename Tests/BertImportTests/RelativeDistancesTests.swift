import BertErrors
import BertImport
import BertModel
import Fixtures
import JSONText
import SystemLibrary
import Testing

/// DeBERTa-v2's distances become tables of each layer while a checkpoint is read.
@Suite struct RelativeDistancesTests {
  /// A configuration as DeBERTa-v3's, but for some keys.
  static func deberta(_ changes: JSONObject) -> JSONObject {
    var config: JSONObject = [
      "model_type": "deberta-v2", "architectures": ["DebertaV2Model"],
      "tokenizer_class": "BertTokenizer", "type_vocab_size": 0,
      "layer_norm_eps": 1e-7, "relative_attention": true, "position_buckets": 4,
      "norm_rel_ebd": "layer_norm", "share_att_key": true, "pos_att_type": "p2c|c2p",
      "max_relative_positions": -1, "position_biased_input": false,
    ]
    for (key, value) in changes { config[key] = value }
    return config
  }

  /// The small model as DeBERTa-v2's, with a table of so many distances.
  private func debertaModel(_ changes: JSONObject = [:], rows: Int = 8) throws -> SmallModel {
    var model = try SmallModel()
    for (key, value) in Self.deberta(changes) { model.config[key] = value }
    model.remove("embeddings.token_type_embeddings.weight")
    model.remove("embeddings.position_embeddings.weight")
    for place in model.tensors.indices {
      model.tensors[place].name = ["query", "key", "value"].reduce(model.tensors[place].name) {
        $0.replacing("attention.self.\($1)", with: "attention.self.\($1)_proj")
      }
    }
    model.add(
      "encoder.rel_embeddings.weight", [rows, 4], (0..<4 * rows).map { Float($0 * $0 % 29) })
    model.add("encoder.LayerNorm.weight", [4], [1, 2, -1, 0.5])
    model.add("encoder.LayerNorm.bias", [4], [0, 1, 0.25, -1])
    return model
  }

  /// What a linear makes of a row of the table, normalised.
  private func projected(_ model: SmallModel, _ row: Int, _ linear: String) -> [Double] {
    func values(_ name: String) -> [Double] {
      model.tensors[model.position(name)].values.map { Double($0) }
    }
    let x = Array(values("encoder.rel_embeddings.weight")[4 * row..<4 * row + 4])
    let mean = x.reduce(0, +) / 4
    let deviation = (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 4 + 1e-7).squareRoot()
    let (gain, bias) = (values("encoder.LayerNorm.weight"), values("encoder.LayerNorm.bias"))
    let normal = x.indices.map { (x[$0] - mean) / deviation * gain[$0] + bias[$0] }
    let stem = "encoder.layer.0.attention.self." + linear
    let (weight, added) = (values(stem + ".weight"), values(stem + ".bias"))
    return added.indices.map { n in
      normal.indices.reduce(added[n]) { $0 + normal[$1] * weight[4 * n + $1] }
    }
  }

  @Test func debertasDistancesBecomeTablesOfEachLayer() throws {
    let model = try debertaModel()
    let imported = try ModelImport.read(input: try model.write(), idsOnly: true)
    let c = imported.description.configuration
    #expect(c.lacksPositions && c.tokenTypeCount == 1 && c.maximumPositions == 8)
    // Four buckets to a side: distances 0, 1 and 2, then by the logarithm of (distance / 2) to that of 7 / 2: 3 to 7 are in
    // bucket 3, and 4, if there were more, in the last row.
    let relative = try #require(c.relative)
    #expect(relative.starts == [0, 1, 2, 3] && relative.hasKeys && relative.hasQueries)
    for (name, linear) in [("key", "key_proj"), ("query", "query_proj")] {
      let table = try imported.readTensor("layer.0.attention.relative.\(name)")
      #expect(table.count == 7 * 4)
      // A key three tokens behind the query lies at distance -3 from it: row 1 of 8.
      for (place, row) in (1...7).enumerated() {
        let expected = projected(model, row, linear)
        for (found, exact) in zip(table[4 * place..<4 * place + 4], expected) {
          #expect(abs(Double(found) - exact) <= 1e-6 * max(1, abs(exact)), "\(name) \(row)")
        }
      }
    }
    #expect(imported.report.unknown.isEmpty && imported.report.missing.isEmpty)
  }

  @Test func debertasLinearsOfDistancesMayBeTheirOwn() throws {
    var model = try debertaModel(["share_att_key": false, "pos_att_type": ["c2p"]])
    let stem = "encoder.layer.0.attention.self.pos_key_proj"
    model.addLinear(stem, 4, 4)
    let imported = try ModelImport.read(input: try model.write(), idsOnly: true)
    let table = try imported.readTensor("layer.0.attention.relative.key")
    let expected = (1...7).flatMap { projected(model, $0, "pos_key_proj") }
    #expect(zip(table, expected).allSatisfy { abs(Double($0) - $1) <= 1e-6 * max(1, abs($1)) })
    #expect(imported.description.configuration.relative?.hasQueries == false)
    #expect(!imported.tensors.contains { $0.name.hasSuffix("relative.query") })
    model.remove(stem + ".bias")
    try model.expectError(.malformed, [stem + ".bias", "is missing"])
  }

  @Test func debertasTableMustBeThereAndFit() throws {
    try debertaModel(rows: 6).expectError(
      .malformed, ["rel_embeddings.weight", "[6, 4]", "[8, 4]"])
    var model = try debertaModel()
    model.remove("encoder.rel_embeddings.weight")
    try model.expectError(.malformed, ["rel_embeddings.weight", "is missing"])
    // Its positions, and the head of its training, are passed over; its masked words are read by either name.
    model = try debertaModel()
    model.add("embeddings.position_embeddings.weight", [8, 4])
    model.addLinear("mask_predictions.dense", 4, 4)
    model.addLinear("lm_predictions.lm_head.dense", 4, 4)
    model.add("lm_predictions.lm_head.LayerNorm.weight", [4])
    model.add("lm_predictions.lm_head.LayerNorm.bias", [4])
    model.add("lm_predictions.lm_head.bias", [5])
    let imported = try ModelImport.read(input: try model.write(), idsOnly: true)
    #expect(imported.heads == [.maskedWords])
    #expect(imported.report.ignored.count == 3 && imported.report.unknown.isEmpty)
  }

  /// As the model is published: buckets of one distance up to 128, then by the logarithm up to 511, computed here in
  /// binary64.
  @Test func bucketsAreThoseOfTheLogarithm() throws {
    var model = try debertaModel(
      ["position_buckets": 256, "max_position_embeddings": 512], rows: 512)
    let imported = try ModelImport.read(input: try model.write(), idsOnly: true)
    let relative = try #require(imported.description.configuration.relative)
    func bucket(_ distance: Int) -> Int {
      if distance <= 128 { return distance }
      return Int((log(Double(distance) / 128) / log(511.0 / 128) * 127).rounded(.up)) + 128
    }
    #expect(
      relative.starts == (0..<512).filter { $0 == 0 || bucket($0) != bucket($0 - 1) })
    #expect(relative.rows.count == 2 * relative.span + 1)
    // Each class has the row of its bucket, and the last one behind the query that of the bucket before: the table ends.
    model = try debertaModel(
      [
        "position_buckets": 256, "max_position_embeddings": 512, "norm_rel_ebd": "none",
        "pos_att_type": "c2p",
      ], rows: 512)
    model.remove("encoder.LayerNorm.weight")
    model.remove("encoder.LayerNorm.bias")
    let plain: [(String, [Float])] = [
      ("encoder.rel_embeddings.weight", (0..<2048).map { Float($0 / 4) }),
      ("encoder.layer.0.attention.self.key_proj.weight", (0..<16).map { $0 % 5 == 0 ? 1 : 0 }),
      ("encoder.layer.0.attention.self.key_proj.bias", [0, 0, 0, 0]),
    ]
    for (name, values) in plain {
      model.tensors[model.position(name)].values = values
    }
    let table = try ModelImport.read(input: try model.write(), idsOnly: true)
      .readTensor("layer.0.attention.relative.key")
    for distance in -511...511 {
      let held = min(max(distance, -relative.span), relative.span)
      let row = Int(relative.rows[held + relative.span])
      let sign = distance < 0 ? -1 : 1
      #expect(
        table[4 * row] == Float(min(256 + sign * bucket(abs(distance)), 511)), "\(distance)")
    }
  }

  static let refused: [(JSONObject, [String])] = [
    (["model_type": "deberta-v2", "conv_kernel_size": 3], ["conv_kernel_size is 3"]),
    (["model_type": "deberta-v2", "embedding_size": 2], ["embedding_size is 2"]),
    (RelativeDistancesTests.deberta(["pos_att_type": "c2p|p2p"]), ["pos_att_type is", "p2p"]),
    (RelativeDistancesTests.deberta(["pos_att_type": nil]), ["pos_att_type is null"]),
    (
      RelativeDistancesTests.deberta(["relative_attention": false]),
      ["relative_attention is false", "pos_att_type"]
    ),
    (
      RelativeDistancesTests.deberta(["norm_rel_ebd": "rms_norm"]), ["norm_rel_ebd is", "rms_norm"]
    ),
    (RelativeDistancesTests.deberta(["position_buckets": 1]), ["position_buckets is 1"]),
    (
      RelativeDistancesTests.deberta(["position_buckets": 10, "max_relative_positions": 6]),
      ["max_relative_positions 6"]
    ),
    (
      RelativeDistancesTests.deberta(["max_relative_positions": 1_099_511_627_776]),
      ["max_relative_positions is"]
    ),
  ]

  @Test(arguments: refused.indices)
  func whatIsNotComputedIsRefusedByName(_ index: Int) throws {
    let (config, words) = Self.refused[index]
    var model = try SmallModel()
    for (key, value) in config { model.config[key] = value }
    try model.expectError(.unsupported, words + ["config.json"])
  }
}
