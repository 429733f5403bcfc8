/// One of Unicode's normalisation forms, as a change to a text.
struct NormalForm: Sendable {
  /// Whether scalars that only look alike become the same: the forms with a K.
  let isCompatible: Bool
  /// Whether what belongs together is composed again: the forms with a C.
  let composes: Bool

  private var affected: NormalForms.Traits {
    switch (composes, isCompatible) {
    case (false, false): [.combines, .decomposesCanonically]
    case (false, true): [.combines, .decomposesCompatibly]
    case (true, false): [.combines, .recomposes]
    case (true, true): [.combines, .recomposesCompatibly]
    }
  }

  /// Whether the form may leave something else of a scalar, beside whichever others.
  @inline(__always)
  func mayChange(_ scalar: UInt32) -> Bool {
    !NormalForms.traits(scalar).isDisjoint(with: affected)
  }

  /// Puts a text in this form behind another.
  func apply(_ text: PlacedPiece, _ out: inout PlacedText) {
    guard let base = text.bytes.baseAddress else { return }
    var stream = ScalarStream(ScalarChanges(tracks: out.tracks, room: text.bytes.count), composes)
    let decomposes: NormalForms.Traits =
      isCompatible ? .decomposesCompatibly : .decomposesCanonically
    var at = 0
    while at < text.bytes.count {
      let (scalar, length) = ScalarDecoding.decode(base, at, text.bytes.count)
      let traits = NormalForms.traits(scalar)
      if !traits.isDisjoint(with: decomposes) {
        var change: Int32 = 0
        NormalForms.decompose(scalar, compatibly: isCompatible) {
          stream.take(DecomposedScalar(scalar: $0, change: change))
          change = 1
        }
      } else if composes || traits.contains(.combines) {
        stream.take(DecomposedScalar(scalar: scalar, change: 0))
      } else {
        stream.keep(base + at, length)
      }
      at += length
    }
    stream.end(to: &out, from: text)
  }
}

/// A scalar of a text that is decomposed.
private struct DecomposedScalar {
  let scalar: UInt32
  /// 1 where it is added to the one before it, else minus the scalars behind it that it has swallowed.
  let change: Int32
  let combiningClass: UInt32

  init(scalar: UInt32, change: Int32) {
    (self.scalar, self.change) = (scalar, change)
    combiningClass =
      scalar >= 0x80 && NormalForms.traits(scalar).contains(.combines)
      ? UnicodeTables.combiningClass(scalar) : 0
  }

  init(_ first: DecomposedScalar, with second: DecomposedScalar, as composite: UInt32) {
    scalar = composite
    change = first.change + second.change - 1
    combiningClass = first.combiningClass
  }
}

/// Decomposed scalars in their order, with marks in canonical order behind each starter, perhaps composed again.
private struct ScalarStream {
  private var changes: ScalarChanges
  private let composes: Bool
  /// Marks whose order is not known until the next starter.
  private var marks: [DecomposedScalar] = []
  /// Composing: the starter that marks may still join, and the marks behind it that did not.
  private var starter: DecomposedScalar?
  private var apart: [DecomposedScalar] = []

  init(_ changes: ScalarChanges, _ composes: Bool) {
    (self.changes, self.composes) = (changes, composes)
  }

  mutating func take(_ next: DecomposedScalar) {
    guard next.combiningClass == 0 else { return marks.append(next) }
    if !marks.isEmpty { placeMarks() }
    place(next)
  }

  /// Keeps a starter of the text that stays as it is; not where it is composed.
  @inline(__always)
  mutating func keep(_ text: UnsafePointer<UInt8>, _ length: Int) {
    if !marks.isEmpty { placeMarks() }
    changes.keep(text, bytes: length, scalars: 1)
  }

  /// Puts what has become of a text behind another.
  mutating func end(to out: inout PlacedText, from text: PlacedPiece) {
    placeMarks()
    placeStarter()
    changes.append(to: &out, from: text)
  }

  private mutating func placeMarks() {
    let held = marks
    marks.removeAll(keepingCapacity: true)
    let inOrder =
      held.count < 2 ? held : held.sorted { $0.combiningClass < $1.combiningClass }
    for mark in inOrder { place(mark) }
  }

  private mutating func placeStarter() {
    if let starter { changes.put(starter.scalar, change: starter.change) }
    for mark in apart { changes.put(mark.scalar, change: mark.change) }
    starter = nil
    apart.removeAll(keepingCapacity: true)
  }

  private mutating func place(_ next: DecomposedScalar) {
    guard composes else { return changes.put(next.scalar, change: next.change) }
    guard let first = starter else {
      if next.combiningClass > 0 { return changes.put(next.scalar, change: next.change) }
      return starter = next
    }
    // A mark that did not join bars the way for those of no higher class.
    let isBarred = apart.last.map { $0.combiningClass >= next.combiningClass } ?? false
    if !isBarred, let composite = NormalForms.composite(first.scalar, next.scalar) {
      starter = DecomposedScalar(first, with: next, as: composite)
    } else if next.combiningClass > 0 {
      apart.append(next)
    } else {
      placeStarter()
      starter = next
    }
  }
}
