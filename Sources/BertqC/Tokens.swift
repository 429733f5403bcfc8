import Bertq
import CBertq

/// Runs what is asked of each text; the first error is that of its text.
private func eachText(
  _ input: UnsafePointer<bertq_input>?, _ place: UnsafeMutablePointer<bertq_error>?,
  _ body: (Int, TextInput) throws(BertError) -> Void
) -> Int32 {
  var text: Int?
  do throws(BertError) {
    let inputs = try Inputs(input)
    for index in 0..<inputs.count {
      text = index
      try body(index, inputs[index])
    }
    return BertqCode.done
  } catch {
    return report(error, ofText: text, to: place)
  }
}

@_cdecl("bertq_count")
package func bertqCount(
  _ pointer: OpaquePointer?, _ input: UnsafePointer<bertq_input>?,
  _ counts: UnsafeMutablePointer<Int64>?, _ error: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  eachText(input, error) { (index, text) throws(BertError) in
    try require(counts, "the place of the counts")[index] = Int64(try model(pointer).count(text))
  }
}

@_cdecl("bertq_tokenize")
package func bertqTokenize(
  _ pointer: OpaquePointer?, _ input: UnsafePointer<bertq_input>?, _ truncates: Int32,
  _ offsets: UnsafeMutablePointer<Int64>?, _ ids: UnsafeMutablePointer<Int32>?,
  _ types: UnsafeMutablePointer<UInt8>?, _ room: Int, _ error: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  var count = 0
  offsets?.pointee = 0
  return eachText(input, error) { (index, text) throws(BertError) in
    let tokens = try model(pointer).tokenize(text, truncates: truncates != 0)
    let end = count + tokens.ids.count
    if ids != nil || types != nil, end > room {
      throw BertError(.usage, "more than \(room) tokens do not fit into the caller's memory")
    }
    for (place, id) in tokens.ids.enumerated() { ids?[count + place] = id }
    for (place, type) in tokens.types.enumerated() { types?[count + place] = type }
    try require(offsets, "the place of the offsets")[index + 1] = Int64(end)
    count = end
  }
}

@_cdecl("bertq_decode")
package func bertqDecode(
  _ pointer: OpaquePointer?, _ ids: UnsafePointer<Int32>?, _ count: Int, _ skipsSpecials: Int32,
  _ text: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  reporting(error) { () throws(BertError) in
    let place = try require(text, "the place of the text")
    place.pointee = nil
    if count < 0 || (count > 0 && ids == nil) { throw BertError(.usage, "the token ids are NULL") }
    let ids = Array(UnsafeBufferPointer(start: ids, count: count))
    let decoded = try model(pointer).decode(ids, skippingSpecials: skipsSpecials != 0)
    place.pointee = OwnedText.give(Array(decoded.utf8))
  }
}
