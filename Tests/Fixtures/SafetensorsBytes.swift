import JSONText

/// The bytes of a safetensors file with these float32 tensors, in order.
package func safetensors(_ tensors: [(name: String, shape: [Int], values: [Float])]) -> [UInt8] {
  var header = JSONObject()
  var data: [UInt8] = []
  for tensor in tensors {
    let begin = data.count
    for value in tensor.values {
      withUnsafeBytes(of: value.bitPattern.littleEndian) { data += $0 }
    }
    header[tensor.name] = [
      "dtype": "F32", "shape": .array(tensor.shape.map { .integer($0) }),
      "data_offsets": .array([.integer(begin), .integer(data.count)]),
    ]
  }
  let text = Array(JSON.object(header).text().utf8)
  let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
  return length + text + data
}
