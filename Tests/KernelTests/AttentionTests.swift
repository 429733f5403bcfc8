import BertKernels
import SystemLibrary
import Testing

/// Attention of one head, int8 and float.
@Suite struct AttentionTests {
  static let sizes = [1, 11, 16, 32, 64, 80, 128]

  static func lengths(_ size: Int) -> [Int] {
    Array(1...40) + [127, 128, 129] + (size == 32 || KernelSets.isFullSweep ? [512] : [])
  }

  /// One head's inputs: rows of query, key and value.
  final class HeadCase {
    let length: Int
    let size: Int
    /// Tokens behind them that see them and that none sees.
    let unseen: Int
    /// How far away those are at most that a token sees; 0 where it sees all.
    let window: Int
    let x: GuardedMemory<Float>
    /// What is added to scores by distance; nothing where it is empty.
    let bias: GuardedMemory<Float>
    var span: Int { bias.count / 2 }
    /// What queries, and what keys, are multiplied with by distance, and the row for each from -20 to 20; nothing where
    /// these are empty.
    let terms: (key: GuardedMemory<Float>, query: GuardedMemory<Float>, row: GuardedMemory<Int32>)
    private static let farthest = 20
    private static let rows = 15
    var scale: Float { 1 / Float(size).squareRoot() }

    init(
      length: Int, size: Int, seed: Int, kind: FloatKind = .ordinary, biasSpan: Int? = nil,
      unseen: Int = 0, window: Int = 0, hasKeys: Bool = false, hasQueries: Bool = false
    ) {
      self.window = window
      self.length = length
      self.size = size
      self.unseen = unseen
      var random = SeededRandom(seed)
      x = GuardedMemory(kind.values((length + unseen) * 3 * size, &random))
      bias = GuardedMemory(biasSpan.map { FloatKind.ordinary.values(2 * $0 + 1, &random) } ?? [])
      func table(_ isThere: Bool) -> GuardedMemory<Float> {
        GuardedMemory(isThere ? FloatKind.ordinary.values(Self.rows * size, &random) : [])
      }
      terms = (
        table(hasKeys), table(hasQueries),
        GuardedMemory(
          hasKeys || hasQueries
            ? (0...2 * Self.farthest).map { Int32($0 * 7 % Self.rows) } : [])
      )
    }

    func int8(_ calls: bk_kernels, wanted: [Int32]? = nil) -> [Float] {
      run(calls.attend_s8, calls, scratch: calls.attend_s8_scratch(length + unseen, size), wanted)
    }

    func float(_ calls: bk_kernels, wanted: [Int32]? = nil) -> [Float] {
      run(calls.attend_f32, calls, scratch: calls.attend_f32_scratch(length + unseen, size), wanted)
    }

    /// - Parameter wanted: the tokens whose rows are computed; all when nil.
    private func run(
      _ attend: (UnsafePointer<bk_head>, UnsafeMutableRawPointer) -> Void, _ calls: bk_kernels,
      scratch bytes: Int, _ wanted: [Int32]?
    ) -> [Float] {
      let out = GuardedMemory<Float>(count: (wanted?.count ?? length + unseen) * size)
      let scratch = guardedScratch(bytes)
      let tokens = GuardedMemory(wanted ?? [0])
      var head = bk_head(
        length: length, head_size: size, query: x.base, key: x.base + size,
        value: x.base + 2 * size, stride: 3 * size, score_scale: scale, out: out.base,
        out_stride: size, wanted: wanted == nil ? nil : UnsafePointer(tokens.base),
        wanted_rows: wanted?.count ?? 0,
        bias: bias.count == 0 ? nil : UnsafePointer(bias.base), bias_span: span, unseen: unseen,
        window: window, relative: nil)
      if terms.row.count == 0 {
        attend(&head, scratch.base)
      } else {
        let own = guardedScratch(calls.relative_scratch(length + unseen, size))
        var relative = bk_relative(
          key: terms.key.count == 0 ? nil : UnsafePointer(terms.key.base),
          query: terms.query.count == 0 ? nil : UnsafePointer(terms.query.base), stride: size,
          row: UnsafePointer(terms.row.base), span: Self.farthest, scratch: own.base)
        withUnsafePointer(to: &relative) {
          head.relative = $0
          attend(&head, scratch.base)
        }
      }
      return out.elements
    }

    func value(_ part: Int, _ token: Int, _ at: Int) -> Double {
      Double(x.base[(token * 3 + part) * size + at])
    }

    /// Keys rounded to integers per channel, values per token, queries times the keys' steps all
    /// alike: what the header says int8 attention computes with, in double.
    func rounded() -> (query: [[Double]], key: [[Double]], value: [[Double]], largest: Double) {
      func levels(_ x: [Double]) -> [Double] {
        let largest = x.map(\.magnitude).max() ?? 0
        guard largest > 0 else { return x }
        return x.map { ($0 * 127 / largest).rounded(.toNearestOrEven) * largest / 127 }
      }
      func rows(_ part: Int) -> [[Double]] {
        (0..<length + (part == 0 ? unseen : 0)).map { token in
          (0..<size).map { value(part, token, $0) }
        }
      }
      let keys = rows(1)
      let columns = (0..<size).map { d in levels(keys.map { $0[d] }) }
      let steps = (0..<size).map { d in (keys.map { $0[d].magnitude }.max() ?? 0) / 127 }
      let together = levels(rows(0).flatMap { row in zip(row, steps).map { $0 * $1 } })
      let query = (0..<length + unseen).map { token in
        (0..<size).map { steps[$0] > 0 ? together[token * size + $0] / steps[$0] : 0 }
      }
      let key = (0..<length).map { token in columns.map { $0[token] } }
      let values = rows(2)
      return (
        query, key, values.map(levels), values.joined().map(\.magnitude).max() ?? 0
      )
    }

    /// What is added to the score of two tokens, of which neither was rounded.
    private func relative(_ token: Int, _ place: Int) -> Double {
      if terms.row.count == 0 { return 0 }
      let distance = min(max(token - place, -Self.farthest), Self.farthest) + Self.farthest
      let row = Int(terms.row.base[distance]) * size
      return (0..<size).reduce(0) { sum, d in
        sum + (terms.key.count == 0 ? 0 : value(0, token, d) * Double(terms.key.base[row + d]))
          + (terms.query.count == 0 ? 0 : value(1, place, d) * Double(terms.query.base[row + d]))
      } * Double(scale)
    }

    /// Attention of one query in double, and what rounding shares to 1/255 may add for a value of
    /// size 1.
    func exact(
      _ token: Int, _ query: [Double], _ keys: [[Double]], _ values: [[Double]]
    ) -> (out: [Double], slack: Double) {
      let scores = keys.enumerated().map { place, key in
        let added =
          bias.count == 0 ? 0 : bias.base[min(max(place - token, -span), span) + span]
        return zip(query, key).reduce(0) { $0 + $1.0 * $1.1 } * Double(scale) + Double(added)
          + relative(token, place)
      }
      func sees(_ place: Int) -> Bool { window == 0 || abs(place - token) <= window }
      let most = scores.indices.filter(sees).map { scores[$0] }.max() ?? 0
      let shares = scores.indices.map { sees($0) ? exp(scores[$0] - most) : 0 }
      let total = shares.reduce(0, +)
      let out = (0..<size).map { d in
        zip(shares, values).reduce(0) { $0 + $1.0 * $1.1[d] } / total
      }
      return (out, 0.5 / 255 * Double(length) / total)
    }
  }

  @Test(arguments: sizes)
  func everySetEqualsPortableAtEveryLength(size: Int) throws {
    for length in Self.lengths(size) {
      let isRare = length % 3 == 0 && length < 40
      let kind = isRare ? FloatKind.allCases[length / 3 % FloatKind.allCases.count] : .ordinary
      let head = HeadCase(length: length, size: size, seed: length, kind: kind)
      try KernelSets.expectSame("int8 \(length) x \(size) \(kind)") { bits(head.int8($0)) }
      try KernelSets.expectSame("float \(length) x \(size) \(kind)") { bits(head.float($0)) }
      let biased = HeadCase(
        length: length, size: size, seed: length, kind: kind, biasSpan: 1 + length * 7 % 50)
      try KernelSets.expectSame("int8, biases, \(length) x \(size)") { bits(biased.int8($0)) }
      try KernelSets.expectSame("float, biases, \(length) x \(size)") { bits(biased.float($0)) }
    }
  }

  /// Biases far below zero leave no weight to what lies past a text's end, and biases beyond all bounds no number
  /// that is not finite: the token alone that has none of it counts.
  @Test(arguments: [Float(-1e4), -1e30])
  func farBiasesLeaveTheNearToken(far: Float) throws {
    for length in [1, 2, 15, 31, 33] {
      let head = HeadCase(length: length, size: 8, seed: length, biasSpan: 3)
      for k in 0..<7 { head.bias.base[k] = k == 3 ? 0 : far }
      let own = (0..<length).flatMap { token in (0..<8).map { Float(head.value(2, token, $0)) } }
      let float = try KernelSets.expectSame("float") { head.float($0) }
      #expect(zip(float, own).allSatisfy { abs($0 - $1) < 1e-5 })
      let int8 = try KernelSets.expectSame("int8") { head.int8($0) }
      #expect(zip(int8, own).allSatisfy { abs($0 - $1) < 0.03 }, "\(length) tokens")
      for k in 0..<7 { head.bias.base[k] = far }
      let plain = HeadCase(length: length, size: 8, seed: length).int8(try KernelSets.portable)
      let all = try KernelSets.expectSame("int8, all far") { head.int8($0) }
      #expect(zip(all, plain).allSatisfy { abs($0 - $1) < 0.03 }, "\(length) tokens, all far")
    }
  }

  /// Tokens that none sees change no other's row in float; in int8 they count in the queries' scale alone.
  @Test(arguments: sizes)
  func tokensThatNoneSeesSeeTheOthers(size: Int) throws {
    for (length, unseen) in [(1, 1), (5, 3), (16, 16), (9, 40), (33, 1)] {
      let place = "\(length) and \(unseen) x \(size)"
      let head = HeadCase(length: length, size: size, seed: length, unseen: unseen)
      let float = try KernelSets.expectSame(place) { bits(head.float($0)) }
      // The first tokens alone, and with an unseen token's query in the place of the first.
      for token in 0...unseen {
        let alone = HeadCase(length: length, size: size, seed: length)
        for at in 0..<length * 3 * size { alone.x.base[at] = head.x.base[at] }
        let row = token == 0 ? 0 : length + token - 1
        for d in 0..<size { alone.x.base[d] = head.x.base[row * 3 * size + d] }
        let expected = try KernelSets.expectSame(place) { bits(alone.float($0)) }
        #expect(float[row * size..<(row + 1) * size] == expected[..<size], "\(row) of \(place)")
      }
      let last = Int32(length + unseen - 1)
      let int8 = try KernelSets.expectSame(place) { bits(head.int8($0)) }
      let some = try KernelSets.expectSame(place) { bits(head.int8($0, wanted: [0, last])) }
      #expect(some == Array(int8[..<size]) + Array(int8.suffix(size)), "\(place)")
      let (queries, keys, values, largest) = head.rounded()
      for (row, query) in queries.enumerated() {
        let (out, slack) = head.exact(row, query, keys, values)
        for d in 0..<size {
          let found = Double(Float(bitPattern: int8[row * size + d]))
          // As in `portableIsNearExactAttention`.
          #expect(
            abs(found - out[d]) < slack * largest + 5e-3, "\(row), \(d) of \(place)")
        }
      }
    }
  }

  /// What lies outside a window has no weight at all, and what is in it that of attention over it alone in float.
  @Test(arguments: sizes)
  func tokensSeeThoseOfTheirWindow(size: Int) throws {
    for (length, window) in [
      (1, 1), (7, 2), (33, 1), (40, 16), (65, 31), (129, 64), (200, 13),
    ] {
      let place = "\(length) in \(window) x \(size)"
      let head = HeadCase(
        length: length, size: size, seed: length, biasSpan: length % 2 == 0 ? 5 : nil,
        window: window)
      let float = try KernelSets.expectSame(place) { head.float($0) }
      let int8 = try KernelSets.expectSame(place) { head.int8($0) }
      let wanted = (0..<Int32(length)).filter { $0 % 3 == 1 || $0 + 1 == length }
      for (all, run) in [(float, head.float), (int8, head.int8)] {
        let some = try KernelSets.expectSame(place) { run($0, wanted) }
        let rows = wanted.flatMap { all[Int($0) * size..<(Int($0) + 1) * size] }
        #expect(bits(some) == bits(rows), "\(place)")
      }
      expectNaive(head, length: length, size: size, float, int8, place)
    }
  }

  /// Every row is that of naive attention: in float of the numbers as they are, in int8 of those that the rounding left.
  private func expectNaive(
    _ head: HeadCase, length: Int, unseen: Int = 0, size: Int, _ float: [Float], _ int8: [Float],
    _ place: String
  ) {
    let (queries, keys, values, largest) = head.rounded()
    let given = (0..<length).map { token in
      [1, 2].map { part in (0..<size).map { head.value(part, token, $0) } }
    }
    for row in 0..<length + unseen {
      let query = (0..<size).map { head.value(0, row, $0) }
      let plain = head.exact(row, query, given.map { $0[0] }, given.map { $0[1] }).out
      let (out, slack) = head.exact(row, queries[row], keys, values)
      for d in 0..<size {
        let at = row * size + d
        #expect(abs(Double(float[at]) - plain[d]) < 1e-5 * largest, "\(row), \(d) of \(place)")
        // A value's scale is rounded to 1/256, and scores and powers to less than 1/1024.
        #expect(
          abs(Double(int8[at]) - out[d]) < (slack + 0.5 / 256 + 0.5 / 1024) * largest,
          "\(row), \(d) of \(place)")
      }
    }
  }

  /// A window as wide as the text changes no bit, and what is outside one is not read in float unless it is no number.
  @Test func aWindowOfAllIsNone() throws {
    for length in [1, 5, 64, 100] {
      let all = HeadCase(length: length, size: 16, seed: length)
      let wide = HeadCase(length: length, size: 16, seed: length, window: max(1, length - 1))
      let int8 = try KernelSets.expectSame("int8") { bits(wide.int8($0)) }
      #expect(try int8 == bits(all.int8(KernelSets.portable)))
      let float = try KernelSets.expectSame("float") { wide.float($0) }
      #expect(try zip(float, all.float(KernelSets.portable)).allSatisfy { $0 == $1 })
    }
    let near = HeadCase(length: 80, size: 16, seed: 3, window: 4)
    let before = try KernelSets.expectSame("near") { bits(near.float($0)) }
    // Another value and key far away: the first rows do not change.
    for at in 70 * 48..<80 * 48 { near.x.base[at] *= 3 }
    let behind = try KernelSets.expectSame("near") { bits(near.float($0)) }
    #expect(before[..<(60 * 16)] == behind[..<(60 * 16)] && before != behind)
    near.x.base[79 * 48 + 32] = .infinity
    // Infinite where it has a weight, NaN where its weight is 0.
    let kinds = try KernelSets.expectSame("lost") { near.float($0).map(\.isNaN) }
    let lost = try near.float(KernelSets.portable)
    #expect((0..<80).allSatisfy { kinds[$0 * 16] == ($0 < 75) && !lost[$0 * 16].isFinite })
  }

  /// Distances go on behind the last token that is seen.
  @Test(arguments: sizes)
  func tokensThatNoneSeesHaveBiases(size: Int) throws {
    for (length, unseen) in [(1, 40), (5, 3), (33, 70)] {
      let place = "\(length) and \(unseen) x \(size)"
      let head = HeadCase(
        length: length, size: size, seed: length, biasSpan: length + unseen / 2, unseen: unseen)
      let float = try KernelSets.expectSame(place) { head.float($0) }
      let int8 = try KernelSets.expectSame(place) { head.int8($0) }
      expectNaive(head, length: length, unseen: unseen, size: size, float, int8, place)
    }
  }

  /// Terms by distance, of queries, of keys or of both, with windows and tokens that none sees.
  @Test(arguments: sizes, [(true, true), (true, false), (false, true)])
  func relativeTermsAreThoseOfADefinition(size: Int, terms: (keys: Bool, queries: Bool)) throws {
    for (length, unseen, window) in [
      (1, 0, 0), (5, 3, 0), (33, 0, 0), (40, 0, 7), (97, 0, 0), (130, 9, 0), (200, 0, 60),
    ] {
      let place = "\(length) and \(unseen) x \(size)"
      let head = HeadCase(
        length: length, size: size, seed: length, unseen: unseen, window: window,
        hasKeys: terms.keys, hasQueries: terms.queries)
      let float = try KernelSets.expectSame(place) { head.float($0) }
      let int8 = try KernelSets.expectSame(place) { head.int8($0) }
      expectNaive(head, length: length, unseen: unseen, size: size, float, int8, place)
      let last = Int32(length + unseen - 1)
      for wanted in [
        [0], [last], Array(stride(from: last / 3, through: last, by: 50)), Array(last / 2...last),
      ] {
        func rows(_ all: [Float]) -> [UInt32] {
          bits(wanted.flatMap { all[(Int($0) * size)..<((Int($0) + 1) * size)] })
        }
        let some = try KernelSets.expectSame(place) { bits(head.float($0, wanted: wanted)) }
        #expect(some == rows(float), "float \(wanted) of \(place)")
        let few = try KernelSets.expectSame(place) { bits(head.int8($0, wanted: wanted)) }
        #expect(few == rows(int8), "int8 \(wanted) of \(place)")
      }
    }
  }

  /// Rows of some tokens only have the bits that they have among all, and float reads no other query.
  @Test(arguments: sizes)
  func wantedRowsAreThoseOfAll(size: Int) throws {
    for length in [1, 2, 5, 16, 33, 48, 129] {
      let last = Int32(length - 1)
      let selections = [
        [0], [last], Array(stride(from: 0, through: last, by: 3)), Array(0...last),
        Array(stride(from: last / 2, through: last, by: 1)),
      ]
      let head = HeadCase(length: length, size: size, seed: length)
      let all = (
        int8: try KernelSets.expectSame("int8") { bits(head.int8($0)) },
        float: try KernelSets.expectSame("float") { bits(head.float($0)) }
      )
      for wanted in selections {
        func rows(_ all: [UInt32]) -> [UInt32] {
          wanted.flatMap { all[(Int($0) * size)..<((Int($0) + 1) * size)] }
        }
        let place = "\(wanted) of \(length) x \(size)"
        let int8 = try KernelSets.expectSame(place) { bits(head.int8($0, wanted: wanted)) }
        #expect(int8 == rows(all.int8), "int8 \(place)")
        let few = HeadCase(length: length, size: size, seed: length)
        for token in 0..<length where !wanted.contains(Int32(token)) {
          for d in 0..<size { few.x.base[token * 3 * size + d] = .nan }
        }
        let float = try KernelSets.expectSame(place) { bits(few.float($0, wanted: wanted)) }
        #expect(float == rows(all.float), "float \(place)")
      }
    }
  }

  @Test(arguments: [(1, 256), (3, 768), (33, 200)])
  func wideHeadsFitTheirScratch(length: Int, size: Int) throws {
    let head = HeadCase(length: length, size: size, seed: 1)
    try KernelSets.expectSame("int8") { bits(head.int8($0)) }
    try KernelSets.expectSame("float") { bits(head.float($0)) }
  }

  @Test(arguments: [(1, 4), (2, 11), (7, 16), (33, 32), (65, 8)], [nil, 1, 20, 100])
  func portableIsNearExactAttention(shape: (length: Int, size: Int), biasSpan: Int?) throws {
    let (length, size) = shape
    let calls = try KernelSets.portable
    let head = HeadCase(length: length, size: size, seed: 2, biasSpan: biasSpan)
    let float = head.float(calls)
    let int8 = head.int8(calls)
    let rounded = head.rounded()
    func rows(_ part: Int) -> [[Double]] {
      (0..<length).map { token in (0..<size).map { head.value(part, token, $0) } }
    }
    for query in 0..<length {
      let exact = head.exact(query, rows(0)[query], rows(1), rows(2)).out
      let quantised = head.exact(query, rounded.query[query], rounded.key, rounded.value)
      for d in 0..<size {
        // Scores reach about 50, whose rounding moves a share by 1e-5 of itself.
        #expect(abs(Double(float[query * size + d]) - exact[d]) < 1e-4)
        // Besides rounded shares, the power of two (3.1e-4) of values up to 4, and a value's scale,
        // which is rounded to a 256th.
        let difference = abs(Double(int8[query * size + d]) - quantised.out[d])
        #expect(difference < quantised.slack * rounded.largest + 5e-3)
      }
    }
  }

  /// A number too large for the arithmetic must not end in vectors that look like any others.
  @Test(arguments: 0..<3, [Float.infinity, .nan, 1e30])
  func overflowIsNotFinite(part: Int, value: Float) throws {
    let head = HeadCase(length: 5, size: 32, seed: 3)
    // Keys and queries of 1e30 together score beyond float32; a value of 1e30 alone is none.
    for part in value == 1e30 && part < 2 ? [0, 1] : [part] {
      head.x.base[(2 * 3 + part) * head.size + 7] = value
    }
    let isLost = value != 1e30 || part < 2
    for run in [{ head.int8($0) }, { head.float($0) }] as [(bk_kernels) -> [Float]] {
      let finite = try KernelSets.expectSame("\(value)") { run($0).map(\.isFinite) }
      #expect(finite.contains(false) == isLost)
    }
  }
}
