import BertErrors

/// Turns stored elements into float32.
///
/// F16 and BF16 convert exactly, F64 and wide integers round to nearest even.
enum FloatConversion {
  /// Bytes converted at a time; a multiple of every element size.
  private static let pieceSize = 1 << 16

  /// Reads `output.count` elements of `type` from `stream`.
  static func read(
    _ stream: TensorStream, type: StoredType, into output: UnsafeMutableBufferPointer<Float>
  ) throws(BertError) {
    let swaps = stream.isBigEndian == (1.littleEndian == 1)
    if type == .float32 && !swaps {
      try stream.bytes.read(into: UnsafeMutableRawBufferPointer(output))
      return
    }
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 16)
    defer { piece.deallocate() }
    let size = type.bits / 8
    var done = 0
    while done < output.count {
      let count = min(pieceSize / size, output.count - done)
      let source = UnsafeMutableRawBufferPointer(rebasing: piece[..<(count * size)])
      try stream.bytes.read(into: source)
      let target = UnsafeMutableBufferPointer(rebasing: output[done..<(done + count)])
      convert(UnsafeRawBufferPointer(source), type, swaps: swaps, to: target)
      done += count
    }
  }

  private static func convert(
    _ source: UnsafeRawBufferPointer, _ type: StoredType, swaps: Bool,
    to target: UnsafeMutableBufferPointer<Float>
  ) {
    func each<Bits: FixedWidthInteger>(_ value: (Bits) -> Float) {
      for place in target.indices {
        let offset = place * MemoryLayout<Bits>.size
        let bits = source.loadUnaligned(fromByteOffset: offset, as: Bits.self)
        target[place] = value(swaps ? bits.byteSwapped : bits)
      }
    }
    switch type {
    case .float64: each { (bits: UInt64) in Float(Double(bitPattern: bits)) }
    case .float32: each { (bits: UInt32) in Float(bitPattern: bits) }
    case .float16: each { (bits: UInt16) in half(bits) }
    case .bfloat16: each { (bits: UInt16) in Float(bitPattern: UInt32(bits) << 16) }
    case .int64: each { (bits: Int64) in Float(bits) }
    case .int32: each { (bits: Int32) in Float(bits) }
    case .int16: each { (bits: Int16) in Float(bits) }
    case .int8: each { (bits: Int8) in Float(bits) }
    case .uint64: each { (bits: UInt64) in Float(bits) }
    case .uint32: each { (bits: UInt32) in Float(bits) }
    case .uint16: each { (bits: UInt16) in Float(bits) }
    case .uint8: each { (bits: UInt8) in Float(bits) }
    case .bool: each { (bits: UInt8) in bits == 0 ? 0 : 1 }
    case .complex64, .float8E5M2, .float8E4M3, .float8E8M0, .float8E4M3FNUZ, .float8E5M2FNUZ,
      .float6E2M3, .float6E3M2, .float4:
      break  // `Checkpoint.readFloat32` has refused these.
    }
  }

  /// IEEE binary16, widened exactly; written out because not every platform has the type.
  static func half(_ bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10 & 0x1F)
    let fraction = UInt32(bits & 0x3FF)
    switch exponent {
    case 0:
      // Zero or subnormal: fraction × 2⁻²⁴, exact because a float has 24 bits.
      let magnitude = Float(fraction) * 0x1p-24
      return Float(bitPattern: sign | magnitude.bitPattern)
    case 0x1F:
      return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default:
      return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }

  /// The strides of a tensor stored with its first index fastest; nil where that is C order too.
  static func fortranStrides(_ shape: [Int]) -> [Int]? {
    if shape.count < 2 { return nil }
    var strides = [Int](repeating: 1, count: shape.count)
    // Sizes of zero make an empty tensor, whose strides nobody uses.
    for axis in 1..<shape.count { strides[axis] = strides[axis - 1] &* shape[axis - 1] }
    return strides
  }

  /// Brings a tensor whose elements lie densely in another order into C order.
  static func rearrange(
    _ output: UnsafeMutableBufferPointer<Float>, shape: [Int], strides: [Int]
  ) {
    guard shape.count > 1, !output.isEmpty else { return }
    let stored = Array(output)
    var index = [Int](repeating: 0, count: shape.count)
    var source = 0
    for target in output.indices {
      output[target] = stored[source]
      var axis = shape.count - 1
      while axis >= 0 {
        index[axis] += 1
        source += strides[axis]
        if index[axis] < shape[axis] { break }
        source -= strides[axis] * shape[axis]
        index[axis] = 0
        axis -= 1
      }
    }
  }
}
