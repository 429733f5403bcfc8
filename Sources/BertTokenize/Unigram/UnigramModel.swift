/// From a word to the pieces whose scores sum up highest.
struct UnigramModel: Sendable {
  private let pieces: PieceReader
  /// What an unknown scalar costs: it is never better than any piece.
  private let unknownScore: Double

  init(_ pieces: PieceReader) {
    self.pieces = pieces
    unknownScore = pieces.lowestScore - 10
  }

  /// The best way to a place in a word.
  struct Step {
    var score = 0.0
    /// Where its last piece begins; below 0 where no way leads here yet.
    var start: Int32 = -1
    var id: Int32 = 0
  }

  /// Memory for words, kept from one to the next.
  struct Scratch {
    var steps: [Step] = []
    var pieces: [(id: Int32, start: Int, end: Int)] = []
  }

  /// Gives the pieces of a word in order: at each place the way with the highest sum of scores, the first of equal
  /// ones; unknown scalars that follow each other are one piece.
  func encode(
    _ word: UnsafeBufferPointer<UInt8>, _ scratch: inout Scratch, _ emit: (Int32, Int, Int) -> Void
  ) {
    guard let base = word.baseAddress, word.count > 0 else { return }
    let count = word.count
    if scratch.steps.count <= count {
      scratch.steps.append(
        contentsOf: repeatElement(Step(), count: count + 1 - scratch.steps.count))
    }
    scratch.steps.withUnsafeMutableBufferPointer { steps in
      for place in 0...count { steps[place].start = -1 }
      steps[0].score = 0
      var at = 0
      while at < count {
        at += extend(base, at, count, steps)
      }
    }
    collect(count, &scratch)
    for piece in scratch.pieces.reversed() { emit(piece.id, piece.start, piece.end) }
  }

  /// Tries all pieces that begin at a place; gives the length of the scalar there.
  @inline(__always)
  private func extend(
    _ base: UnsafePointer<UInt8>, _ at: Int, _ count: Int, _ steps: UnsafeMutableBufferPointer<Step>
  ) -> Int {
    let length = Self.length(base, at, count)
    let score = steps[at].score
    func offer(_ end: Int, _ sum: Double, _ id: Int32) {
      if steps[end].start < 0 || sum > steps[end].score {
        steps[end] = Step(score: sum, start: Int32(truncatingIfNeeded: at), id: id)
      }
    }
    var isKnown = false
    var node = PieceReader.root
    var end = at
    while end < count, let next = pieces.child(node, base[end]) {
      node = next
      end += 1
      guard let id = pieces.piece(node) else { continue }
      offer(end, pieces.score(id) + score, id)
      if end - at == length { isKnown = true }
    }
    if !isKnown { offer(at + length, unknownScore + score, pieces.unknownID) }
    return length
  }

  /// Collects the pieces of the best way, the last first.
  private func collect(_ count: Int, _ scratch: inout Scratch) {
    scratch.pieces.removeAll(keepingCapacity: true)
    var end = count
    while end > 0 {
      let step = scratch.steps[end]
      let start = Int(step.start)
      // A damaged table may end a piece inside a scalar, where no way leads on.
      guard start >= 0, start < end else { break }
      if step.id == pieces.unknownID, let last = scratch.pieces.last, last.id == step.id {
        scratch.pieces[scratch.pieces.count - 1].start = start
      } else {
        scratch.pieces.append((step.id, start, end))
      }
      end = start
    }
  }

  @inline(__always)
  private static func length(_ base: UnsafePointer<UInt8>, _ at: Int, _ count: Int) -> Int {
    base[at] < 0x80 ? 1 : ScalarDecoding.decode(base, at, count).length
  }
}
