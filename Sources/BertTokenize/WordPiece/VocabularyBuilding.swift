import BertErrors

extension VocabularyTable {
  /// Lays a vocabulary out as a table, the token at index i having id i.
  ///
  /// Tokens may be empty, repeated (the last one is found) or not UTF-8.
  /// Throws `unsupported` when there are more than 2^24 - 2 tokens or 2^31 bytes of them, or when their
  /// hashes collide so often, as only chosen tokens can, that look-ups would be slow.
  package static func build(_ tokens: [[UInt8]]) throws(BertError) -> [UInt8] {
    let total = tokens.reduce(0) { $0 + $1.count }
    guard tokens.count <= VocabularyReader.mostTokens, total < 1 << 31 else {
      throw BertError(
        .unsupported,
        "a vocabulary of \(tokens.count) tokens in \(total) bytes is larger than 2^24 tokens or 2^31 bytes"
      )
    }
    let layout = try HashLayout.find(tokens)
    let longest = tokens.reduce(0) { max($0, $1.count) }
    var table: [UInt8] = []
    table.reserveCapacity(32 + 4 * (layout.slots.count + tokens.count + 1) + total)
    func append(_ value: UInt32) {
      withUnsafeBytes(of: value.littleEndian) { table.append(contentsOf: $0) }
    }
    append(VocabularyReader.magic)
    for number in [tokens.count, layout.slots.count, total, longest, layout.probes] {
      append(UInt32(number))
    }
    append(layout.seed)
    append(0)
    for slot in layout.slots { append(slot) }
    var offset = 0
    for token in tokens {
      append(UInt32(offset))
      offset += token.count
    }
    append(UInt32(offset))
    for token in tokens { table.append(contentsOf: token) }
    return table
  }

  /// The tokens of a `vocab.txt`: one a line, the first having id 0.
  ///
  /// A line ends at LF, CR LF or CR, as when Python reads text. An empty line is an empty token and takes
  /// an id. Other white space belongs to the token.
  package static func tokens(ofText text: [UInt8]) -> [[UInt8]] {
    var tokens: [[UInt8]] = []
    var start = 0
    var at = 0
    while at < text.count {
      let byte = text[at]
      guard byte == 0x0A || byte == 0x0D else {
        at += 1
        continue
      }
      tokens.append(Array(text[start..<at]))
      at += byte == 0x0D && at + 1 < text.count && text[at + 1] == 0x0A ? 2 : 1
      start = at
    }
    if start < text.count { tokens.append(Array(text[start...])) }
    return tokens
  }
}

/// Slots that hold every token within the allowed number of steps.
private struct HashLayout {
  var seed: UInt32
  var slots: [UInt32]
  var probes: Int

  /// Tries some seeds and then more slots; ordinary vocabularies succeed at once.
  static func find(_ tokens: [[UInt8]]) throws(BertError) -> HashLayout {
    // Of equal tokens the last wins, as in the dictionary that the reference builds.
    var last: [[UInt8]: Int] = [:]
    for (id, token) in tokens.enumerated() { last[token] = id }
    var slotCount = 2
    while slotCount < 2 * (tokens.count + 1) { slotCount *= 2 }
    for doubling in 0..<3 {
      for attempt in 0..<8 {
        let seed = 0x811C_9DC5 &+ UInt32(attempt) &* 0x9E37_79B9
        if let layout = attemptLayout(tokens, last, slotCount << doubling, seed) { return layout }
      }
    }
    throw BertError(
      .unsupported, "the vocabulary's tokens are chosen to collide; no hash table can hold them")
  }

  private static func attemptLayout(
    _ tokens: [[UInt8]], _ last: [[UInt8]: Int], _ slotCount: Int, _ seed: UInt32
  ) -> HashLayout? {
    var layout = HashLayout(seed: seed, slots: Array(repeating: 0, count: slotCount), probes: 0)
    // In order of ids, so that the same vocabulary always gives the same bytes.
    for (id, token) in tokens.enumerated() where last[token] == id {
      let hash = VocabularyHash.finish(VocabularyHash.extend(seed, token))
      var slot = Int(hash) & (slotCount - 1)
      var steps = 1
      while layout.slots[slot] != 0 {
        slot = (slot + 1) & (slotCount - 1)
        steps += 1
        guard steps <= VocabularyReader.mostProbes else { return nil }
      }
      layout.slots[slot] = hash & 0xFF00_0000 | UInt32(id + 1)
      layout.probes = max(layout.probes, steps)
    }
    return layout
  }
}
