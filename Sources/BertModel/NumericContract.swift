/// The arithmetic that gives every result its bits; `formats/bertq.md` states it.
package enum NumericContract {
  /// The version that this package computes: it grows when any result's bits change.
  package static let version: UInt32 = 4
}
