import Bertq
import CBertq

/// The caller's texts, or token ids, one after the other.
struct Inputs {
  private let texts: Parts<UInt8>?
  private let pairs: Parts<UInt8>?
  private let ids: Parts<Int32>?
  private let types: UnsafePointer<UInt8>?
  /// How many there are.
  let count: Int

  /// More than any process can address: sizes below it can be added and multiplied by a few bytes.
  static let mostInMemory = 1 << 48

  /// - Throws: `usage` where something is missing, or two things exclude each other.
  init(_ pointer: UnsafePointer<bertq_input>?) throws(BertError) {
    let given = try read(try require(pointer, "the input"), bertq_input())
    try requireZero(given.reserved)
    let count = given.count
    guard unsigned(count) < UInt(Self.mostInMemory) else {
      throw BertError(.usage, "\(unsigned(count)) texts are more than memory has room for")
    }
    self.count = count
    func parts<Element>(
      _ values: UnsafeRawPointer?, _ offsets: UnsafeRawPointer?, _ what: String
    ) throws(BertError) -> Parts<Element>? {
      guard let offsets else {
        if values == nil { return nil }
        throw BertError(.usage, "\(what) have no offsets")
      }
      return try Parts(
        values: values?.assumingMemoryBound(to: Element.self), offsets: offsets,
        offsetSize: given.offset_size, count: count, what)
    }
    texts = try parts(given.bytes, given.offsets, "texts")
    pairs = try parts(given.pair_bytes, given.pair_offsets, "second texts")
    ids = try parts(given.ids.map { UnsafeRawPointer($0) }, given.id_offsets, "token ids")
    types = given.types
    if count > 0, (texts == nil) == (ids == nil) {
      throw BertError(.usage, "an input is texts or token ids, one of the two")
    }
    if texts == nil && pairs != nil || ids == nil && types != nil {
      throw BertError(.usage, "second texts go with texts, token types with token ids")
    }
  }

  /// One input, counted from 0.
  subscript(index: Int) -> TextInput {
    if let ids {
      let part = ids[index]
      return TextInput(
        ids: Array(part),
        types: types.map {
          Array(UnsafeBufferPointer(start: $0 + ids.start(index), count: part.count))
        })
    }
    return TextInput(
      utf8: texts.map { Array($0[index]) } ?? [], pair: pairs.map { Array($0[index]) })
  }

  /// One input's text, to be quoted; empty where it is token ids.
  func label(_ index: Int) -> String {
    texts.map { String(decoding: $0[index], as: UTF8.self) } ?? ""
  }
}

/// Values end to end, and where each part begins.
private struct Parts<Element> {
  private let values: UnsafePointer<Element>?
  private let offsets: UnsafeRawPointer
  private let isWide: Bool

  init(
    values: UnsafePointer<Element>?, offsets: UnsafeRawPointer, offsetSize: Int32, count: Int,
    _ what: String
  ) throws(BertError) {
    guard offsetSize == 4 || offsetSize == 8 else {
      throw BertError(.usage, "offsets of \(offsetSize) bytes; expected 4 or 8")
    }
    self.values = values
    self.offsets = offsets
    isWide = offsetSize == 8
    if count == 0 { return }
    var last = start(0)
    for index in 1...count {
      let next = start(index)
      guard last >= 0, next >= last else {
        throw BertError(.usage, "the offsets of \(what) go back, from \(last) to \(next)")
      }
      last = next
    }
    if values == nil, last > start(0) { throw BertError(.usage, "\(what) are NULL") }
    guard last < Inputs.mostInMemory else {
      throw BertError(.usage, "\(what) end at \(last): more than memory has room for")
    }
  }

  func start(_ index: Int) -> Int {
    isWide
      ? Int(offsets.loadUnaligned(fromByteOffset: index * 8, as: Int64.self))
      : Int(offsets.loadUnaligned(fromByteOffset: index * 4, as: Int32.self))
  }

  subscript(index: Int) -> UnsafeBufferPointer<Element> {
    let range = start(index)..<start(index + 1)
    guard let values, !range.isEmpty else { return UnsafeBufferPointer(start: nil, count: 0) }
    return UnsafeBufferPointer(start: values + range.lowerBound, count: range.count)
  }
}
