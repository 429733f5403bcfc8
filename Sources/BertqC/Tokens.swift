import Bertq
import CBertq

/// Runs what is asked of each text, once all that is needed for it is there; the first error is that of its text.
private func eachText(
  _ input: UnsafePointer<bertq_input>?, _ place: UnsafeMutablePointer<bertq_error>?,
  _ begin: () throws(BertError) -> ((Int, TextInput) throws(BertError) -> Void)
) -> Int32 {
  var text: Int?
  do throws(BertError) {
    let body = try begin()
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
  eachText(input, error) { () throws(BertError) in
    let (model, counts) = (try model(pointer), try require(counts, "the place of the counts"))
    return { (index, text) throws(BertError) in counts[index] = Int64(try model.count(text)) }
  }
}

@_cdecl("bertq_tokenize")
package func bertqTokenize(
  _ pointer: OpaquePointer?, _ input: UnsafePointer<bertq_input>?, _ truncates: Int32,
  _ offsets: UnsafeMutablePointer<Int64>?, _ ids: UnsafeMutablePointer<Int32>?,
  _ types: UnsafeMutablePointer<UInt8>?, _ room: Int, _ error: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  var count = 0
  return eachText(input, error) { () throws(BertError) in
    let (model, truncates) = (try model(pointer), try flag(truncates, "truncates"))
    let offsets = try require(offsets, "the place of the offsets")
    offsets[0] = 0
    return { (index, text) throws(BertError) in
      let tokens = try model.tokenize(text, truncates: truncates)
      let end = count + tokens.ids.count
      if ids != nil || types != nil, UInt(end) > unsigned(room) {
        throw BertError(
          .usage, "more than \(unsigned(room)) tokens do not fit into the caller's memory")
      }
      for (place, id) in tokens.ids.enumerated() { ids?[count + place] = id }
      for (place, type) in tokens.types.enumerated() { types?[count + place] = type }
      offsets[index + 1] = Int64(end)
      count = end
    }
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
    if count != 0 && ids == nil { throw BertError(.usage, "the token ids are NULL") }
    guard unsigned(count) < UInt(Inputs.mostInMemory) else {
      throw BertError(.usage, "\(unsigned(count)) token ids are more than memory has room for")
    }
    let model = try model(pointer)
    let given = UnsafeBufferPointer(start: ids, count: count)
    let skips = try flag(skipsSpecials, "skips_specials")
    // What no vocabulary is there for is refused first; then ids of no word, before anything is copied.
    let empty = try model.decode([])
    if let id = given.first(where: { $0 < 0 || model.token($0) == nil }) {
      throw BertError(.usage, "the token id \(id) is none of the vocabulary")
    }
    let decoded = try given.isEmpty ? empty : model.decode(Array(given), skippingSpecials: skips)
    place.pointee = OwnedText.give(Array(decoded.utf8))
  }
}
