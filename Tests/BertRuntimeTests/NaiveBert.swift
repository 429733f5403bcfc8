import BertModel
import BertQuantize
import Fixtures
import SystemLibrary

/// BERT's forward pass written as plainly as it can be, in double precision, one text at a time.
///
/// It is what the encoder is compared with, and shares nothing with it but the weights.
///
/// With `quantized` set it follows the int8 scheme as `CBertKernels.h` words it: all is
/// rounded to levels of -127 to 127 about zero, by the largest magnitude of a token's row, of a head's
/// queries, of a channel of its keys, or of its values.
struct NaiveBert {
  let model: GeneratedModel
  /// The quantised form of a linear; nil computes it from the float weights.
  var quantized: (Int, LinearSite) -> QuantizedLinear? = { _, _ in nil }
  /// Whether attention is computed on bytes.
  var quantizesAttention = false

  typealias Row = [Double]

  private var configuration: BertConfiguration { model.configuration }

  private func values(_ name: String) -> Row { (model.values[name] ?? []).map { Double($0) } }

  /// The hidden states after the embeddings and after each layer.
  func hidden(_ ids: [Int32], _ types: [UInt8]) -> [[Row]] {
    var states = [embed(ids, types)]
    for layer in 0..<configuration.layerCount {
      states.append(self.layer(layer, states[layer]))
    }
    return states
  }

  private func embed(_ ids: [Int32], _ types: [UInt8]) -> [Row] {
    let width = configuration.embeddingWidth
    let word = values(CanonicalName.wordEmbeddings)
    let position = values(CanonicalName.positionEmbeddings)
    let type = values(CanonicalName.tokenTypeEmbeddings)
    let rows = norm(
      ids.indices.map { token in
        (0..<width).map { i in
          word[Int(ids[token]) * width + i] + type[Int(types[token]) * width + i]
            + (position.isEmpty ? 0 : position[token * width + i])
        }
      }, CanonicalName.embeddingNorm)
    let projection = CanonicalName.embeddingProjection
    let (weight, bias) = (values(projection + ".weight"), values(projection + ".bias"))
    return weight.isEmpty ? rows : rows.map { linear(weight, bias, $0) }
  }

  /// The states after a layer, from those before it.
  func layer(_ index: Int, _ x: [Row]) -> [Row] {
    let layer = index % configuration.storedLayerCount
    if configuration.normalizesFirst {
      let read = index == 0 ? x : norm(x, CanonicalName.attentionNorm(layer))
      let context = attend(linear(layer, .queryKeyValue, read), index)
      let attended = sum(linear(layer, .attentionOutput, context), x)
      let up = linear(layer, .feedForwardUp, norm(attended, CanonicalName.feedForwardNorm(layer)))
      let states = sum(linear(layer, .feedForwardDown, up.map(between)), attended)
      return index + 1 == configuration.layerCount ? norm(states, CanonicalName.finalNorm) : states
    }
    let context = attend(linear(layer, .queryKeyValue, x), index)
    let attended = norm(
      sum(linear(layer, .attentionOutput, context), x), CanonicalName.attentionNorm(layer))
    let up = linear(layer, .feedForwardUp, attended).map(between)
    return norm(
      sum(linear(layer, .feedForwardDown, up), attended), CanonicalName.feedForwardNorm(layer))
  }

  /// What the second linear of a feed-forward block reads of what the first has made.
  private func between(_ row: Row) -> Row {
    guard configuration.gatesFeedForward else { return row.map(activate) }
    let half = row.count / 2
    return (0..<half).map { activate(row[$0]) * row[half + $0] }
  }

  private func sum(_ a: [Row], _ b: [Row]) -> [Row] {
    zip(a, b).map { zip($0, $1).map { $0 + $1 } }
  }

  private func norm(_ x: [Row], _ name: String) -> [Row] {
    let (gain, bias) = (values(name + ".weight"), values(name + ".bias"))
    return x.map { row in
      let mean = row.reduce(0, +) / Double(row.count)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
      let deviation = (variance + Double(configuration.layerNormEpsilon)).squareRoot()
      return row.indices.map { (row[$0] - mean) / deviation * gain[$0] + bias[$0] }
    }
  }

  func activate(_ x: Double) -> Double {
    switch configuration.activation {
    case .gelu: x * 0.5 * erfc(-x / 2.0.squareRoot())
    case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .relu: max(x, 0)
    case .silu: x / (1 + exp(-x))
    }
  }

  /// One vector from the last layer's states.
  func pool(_ pooling: Pooling, _ rows: [Row]) -> Row {
    switch pooling {
    case .mean: rows[0].indices.map { i in rows.reduce(0) { $0 + $1[i] } / Double(rows.count) }
    case .meanSqrtLength:
      rows[0].indices.map { i in rows.reduce(0) { $0 + $1[i] } / Double(rows.count).squareRoot() }
    case .weightedMean:
      rows[0].indices.map { i in
        let total = rows.indices.reduce(0.0) { $0 + Double($1 + 1) * rows[$1][i] }
        return total / rows.indices.reduce(0.0) { $0 + Double($1 + 1) }
      }
    case .max: rows[0].indices.map { i in rows.reduce(-.infinity) { Swift.max($0, $1[i]) } }
    case .lastToken: rows[rows.count - 1]
    case .cls: rows[0]
    case .pooler:
      linear(
        values(CanonicalName.pooler + ".weight"), values(CanonicalName.pooler + ".bias"), rows[0]
      )
      .map { tanh($0) }
    }
  }

  // MARK: Linears

  private func linear(_ weight: Row, _ bias: Row, _ x: Row) -> Row {
    bias.indices.map { n in x.indices.reduce(bias[n]) { $0 + x[$1] * weight[n * x.count + $1] } }
  }

  private func linear(_ layer: Int, _ site: LinearSite, _ x: [Row]) -> [Row] {
    if let quantized = quantized(layer, site) { return x.map { Self.linear(quantized, $0) } }
    let name = CanonicalName.linear(layer, site)
    let (weight, bias) = (values(name + ".weight"), values(name + ".bias"))
    return x.map { linear(weight, bias, $0) }
  }

  private static func linear(_ linear: QuantizedLinear, _ x: Row) -> Row {
    let v = rotate(x.indices.map { x[$0] * Double(linear.multiplier[$0]) }, linear.rotation)
    let scale = (v.map { abs($0) }.max() ?? 0) / 127
    let q = v.map { scale == 0 ? 0 : Int(($0 / scale).rounded(.toNearestOrEven)) }
    return (0..<linear.outputs).map { n in
      let row = linear.weights[(n * q.count)..<((n + 1) * q.count)]
      let products = zip(q, row).reduce(0) { $0 + $1.0 * Int($1.1) }
      return scale * Double(products) * Double(linear.scale[n]) + Double(linear.bias[n])
    }
  }

  /// The rotation, part by part, each as a matrix over vectors of 16 or over their lanes.
  private static func rotate(_ x: Row, _ rotation: Rotation) -> Row {
    guard !rotation.isEmpty else { return x }
    let vectors = x.count / 16
    var odd = vectors
    while odd % 2 == 0 { odd /= 2 }
    func hadamard(_ i: Int, _ j: Int) -> Double { (i & j).nonzeroBitCount % 2 == 0 ? 1 : -1 }
    var y = x
    if rotation.contains(.vectors) {
      y = x.indices.map { at in
        let (vector, lane) = (at / 16, at % 16)
        return (0..<(vectors / odd)).reduce(0) {
          $0 + hadamard(vector / odd, $1) * x[($1 * odd + vector % odd) * 16 + lane]
        }
      }
    }
    if rotation.contains(.thirds), odd == 3 {
      y = y.indices.map { at in
        let first = at / 48 * 48 + at % 16
        return y[at] - (y[first] + y[first + 16] + y[first + 32]) * 2 / 3
      }
    }
    guard rotation.contains(.lanes) else { return y }
    return y.indices.map { at in
      (0..<16).reduce(0) { $0 + hadamard(at % 16, $1) * y[at / 16 * 16 + $1] }
    }
  }

  // MARK: Attention

  private func attend(_ projected: [Row], _ layer: Int) -> [Row] {
    let isWhole = configuration.window?.isWhole(layer) ?? true
    let (width, size) = (configuration.hiddenSize, configuration.headSize)
    var context = projected.map { _ in Row(repeating: 0, count: width) }
    for head in 0..<configuration.headCount {
      func slices(_ part: Int) -> [Row] {
        let start = part * width + head * size
        let rows = projected.map { Array($0[start..<(start + size)]) }
        return part < 2 ? turned(rows, isWhole) : rows
      }
      let (query, key, value) = (slices(0), slices(1), slices(2))
      let added = query.indices.map { token in
        zip(
          biases(head, token, key.count), relative(layer, head, token, query[token], key)
        ).map { $0 + $1 }
      }
      let out =
        quantizesAttention
        ? attendBytes(query, key, value, added, isWhole)
        : attend(query, key, value, added, isWhole)
      for token in out.indices {
        context[token].replaceSubrange((head * size)..<((head + 1) * size), with: out[token])
      }
    }
    return context
  }

  /// Queries or keys, turned by their places.
  private func turned(_ rows: [Row], _ isWhole: Bool) -> [Row] {
    guard let half = configuration.rotarySize.map({ $0 / 2 }) else { return rows }
    let cosines = values(isWhole ? CanonicalName.rotaryCosines : CanonicalName.windowCosines)
    let sines = values(isWhole ? CanonicalName.rotarySines : CanonicalName.windowSines)
    return rows.enumerated().map { place, row in
      var row = row
      for i in 0..<half {
        let (a, b) = (row[i], row[half + i])
        let (c, s) = (cosines[place * half + i], sines[place * half + i])
        (row[i], row[half + i]) = (a * c - b * s, b * c + a * s)
      }
      return row
    }
  }

  private func dot(_ a: Row, _ b: Row) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

  /// What is added to a head's scores of a query's token and each key's.
  private func biases(_ head: Int, _ token: Int, _ count: Int) -> Row {
    guard let span = configuration.biasSpan else { return Row(repeating: 0, count: count) }
    let table = values(CanonicalName.attentionBias)
    return (0..<count).map {
      table[head * (2 * span + 1) + min(max($0 - token, -span), span) + span]
    }
  }

  /// What is added to a head's scores by distance and by what a query and each key hold.
  private func relative(_ layer: Int, _ head: Int, _ token: Int, _ query: Row, _ keys: [Row]) -> Row
  {
    guard let terms = configuration.relative else { return Row(repeating: 0, count: keys.count) }
    let stored = layer % configuration.storedLayerCount
    let (width, size) = (configuration.hiddenSize, configuration.headSize)
    func product(_ x: Row, _ name: String, _ place: Int) -> Double {
      let distance = token - place
      let number = terms.starts.lastIndex { $0 <= abs(distance) } ?? 0
      let row = terms.starts.count - 1 + (distance < 0 ? -number : number)
      let table = values(name)
      if table.isEmpty { return 0 }
      return dot(x, Array(table[row * width + head * size..<row * width + (head + 1) * size]))
    }
    return keys.enumerated().map { place, key in
      (product(query, CanonicalName.relativeKey(stored), place)
        + product(key, CanonicalName.relativeQuery(stored), place)) / scoreDivisor(size)
    }
  }

  private func scoreDivisor(_ size: Int) -> Double {
    Double(size * configuration.termsOfScore).squareRoot()
  }

  /// What a token sees.
  private func seen(_ token: Int, _ count: Int, _ isWhole: Bool) -> [Bool] {
    (0..<count).map {
      isWhole || abs($0 - token) <= configuration.window.map(\.reach) ?? .max
    }
  }

  private func attend(
    _ query: [Row], _ key: [Row], _ value: [Row], _ added: [Row], _ isWhole: Bool
  ) -> [Row] {
    query.enumerated().map { token, query in
      let scores = zip(key, added[token]).map {
        dot(query, $0) / scoreDivisor(query.count) + $1
      }
      let sees = seen(token, key.count, isWhole)
      let most = zip(scores, sees).filter(\.1).map(\.0).max() ?? 0
      let shares = zip(scores, sees).map { $1 ? exp($0 - most) : 0 }
      let total = shares.reduce(0, +)
      return query.indices.map { i in
        zip(shares, value).reduce(0) { $0 + $1.0 * $1.1[i] } / total
      }
    }
  }

  private func signedBytes(_ row: Row) -> (bytes: Row, scale: Double) {
    let largest = row.reduce(0) { max($0, abs($1)) }
    let scale = largest / 127
    return (row.map { scale == 0 ? 0 : ($0 / scale).rounded(.toNearestOrEven) }, scale)
  }

  /// 8160 * 2^-(n / 2048) in integers: powers a 16th of an octave apart, interpolated, then halved.
  private static func power(_ n: Double) -> Double {
    func node(_ i: Double) -> Double { (32640 * exp2(-i / 16)).rounded() }
    let (octave, within) = ((n / 2048).rounded(.down), n.truncatingRemainder(dividingBy: 2048))
    let (i, part) = ((within / 128).rounded(.down), within.truncatingRemainder(dividingBy: 128))
    let between = node(i) - ((node(i) - node(i + 1)) * part / 128).rounded(.down)
    return (between * exp2(-2 - octave) + 0.5).rounded(.down)
  }

  private func attendBytes(
    _ query: [Row], _ key: [Row], _ value: [Row], _ added: [Row], _ isWhole: Bool
  ) -> [Row] {
    // Keys have a scale for each channel, which queries take over before they are rounded together.
    let channels = (0..<(key.first?.count ?? 0)).map { c in signedBytes(key.map { $0[c] }) }
    let keys = key.indices.map { token in channels.map { $0.bytes[token] } }
    let queries = signedBytes(query.flatMap { zip($0, channels).map { $0 * $1.scale } })
    // How often a token's scale goes into the largest, in 256ths and at most 32 times. It is a factor
    // of its share, and so part of its score.
    let widest = value.joined().reduce(0) { max($0, abs($1)) }
    let times = value.map { row in
      let own = max(row.reduce(0) { max($0, abs($1)) }, widest / 32)
      return widest == 0 ? 32 : (256 * widest / own).rounded(.toNearestOrEven) / 256
    }
    let values = zip(value, times).map { row, times in
      row.map { widest == 0 ? 0 : ($0 * times * 127 / widest).rounded(.toNearestOrEven) }
    }
    let size = channels.count
    return query.indices.map { token in
      let row = Array(queries.bytes[(token * size)..<((token + 1) * size)])
      let added = added[token]
      let octaves = keys.indices.map { key in
        (dot(row, keys[key]) * queries.scale / scoreDivisor(size) + added[key]) / log(2)
          - log2(times[key])
      }
      let sees = seen(token, keys.count, isWhole)
      let most = zip(octaves, sees).filter(\.1).map(\.0).max() ?? 0
      let powers = zip(octaves, sees).map { $1 ? Self.power(((most - $0) * 2048).rounded()) : 0 }
      let total = zip(powers, times).reduce(0) { $0 + $1.0 * $1.1 }
      return (0..<size).map { i in
        let sum = zip(powers, values).reduce(0) { $0 + ($1.0 / 32).rounded() * $1.1[i] }
        return sum * widest / 127 * 32 / total
      }
    }
  }
}
