import SystemLibrary

/// 10·log₁₀(signal / noise); infinite without noise.
func signalToNoise(_ signal: Double, _ noise: Double) -> Double {
  noise == 0 ? .infinity : 10 * log10(signal / noise)
}
