/// The names of the tensors of a quantised linear, after the linear's own name.
package enum QuantizedPart {
  /// What all of them begin with.
  package static let prefix = ".int8."
  /// `[N, K]`, int8 panels, rotated as the inputs are.
  package static let weight = ".int8.weight"
  /// `[N]`: what one step of an output's int8 weights is worth.
  package static let scale = ".int8.scale"
  /// `[N]`: the sum of an output's int8 weights.
  package static let columnSum = ".int8.column_sum"
  /// `[N]`.
  package static let bias = ".int8.bias"
  /// `[K]`: multiplies each input before it is rotated and quantised.
  package static let multiplier = ".int8.multiplier"
  /// `[1]`: which parts of the rotation apply, `bk_rotation` or-ed.
  package static let rotation = ".int8.rotation"
}

/// The names of the tensors of a float linear or a layer norm, after its own name.
package enum FloatPart {
  /// A linear's `[N, K]`, or the factors of a layer norm, `[N]`.
  package static let weight = ".weight"
  /// `[N]`.
  package static let bias = ".bias"
}
