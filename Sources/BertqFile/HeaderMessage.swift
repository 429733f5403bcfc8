import BertErrors
import CBertqHeader
import SystemLibrary

/// A header decoded by libprotobuf-c, and the memory it lies in.
final class HeaderMessage {
  private let message: UnsafeMutablePointer<Bertq__Header>
  private let budget: UnsafeMutablePointer<Int>

  /// The decoded fields.
  ///
  /// Safety: what its pointers name lives as long as the message does.
  var header: Bertq__Header { message.pointee }

  /// Decodes a header, allocating at most `BertqFormat.largestAllocation`.
  ///
  /// - Throws: `malformed` when the bytes are no header, or not in the one form a writer gives
  ///   them.
  init(_ bytes: UnsafeRawBufferPointer) throws(BertError) {
    let budget = UnsafeMutablePointer<Int>.allocate(capacity: 1)
    budget.initialize(to: BertqFormat.largestAllocation)
    var allocator = Self.allocator(budget)
    let start = bytes.bindMemory(to: UInt8.self).baseAddress
    guard let message = bertq__header__unpack(&allocator, bytes.count, start) else {
      let remaining = budget.pointee
      budget.deallocate()
      throw BertError(
        .malformed,
        remaining < 0
          ? "the header would need more than \(BertqFormat.largestAllocation) bytes of memory"
          : "the header cannot be decoded: it is damaged or a required field is missing",
        byteOffset: BertqFormat.prologueSize)
    }
    self.message = message
    self.budget = budget
    try requireCanonical(bytes)
  }

  deinit {
    var allocator = Self.allocator(budget)
    bertq__header__free_unpacked(message, &allocator)
    budget.deallocate()
  }

  /// Encoded again, the header must give the same bytes.
  ///
  /// That excludes all that a decoder would otherwise pass over in silence: a string cut short at a
  /// zero byte, a number too large for its field, a field that is there twice. Fields that a newer
  /// writer added stay allowed.
  private func requireCanonical(_ bytes: UnsafeRawBufferPointer) throws(BertError) {
    let size = bertq__header__get_packed_size(message)
    var isSame = size == bytes.count
    if isSame, let start = bytes.baseAddress {
      let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
      defer { copy.deallocate() }
      isSame = bertq__header__pack(message, copy) == size && memcmp(copy, start, size) == 0
    }
    if !isSame {
      throw BertError(
        .malformed,
        "the header is not in canonical form: its fields are out of order, repeated, or hold "
          + "values that do not fit", byteOffset: BertqFormat.prologueSize)
    }
  }

  /// Memory that counts down from the budget; below zero it gives none.
  ///
  /// The library's own blocks count too, and freeing gives nothing back: the sum is what is
  /// bounded.
  private static func allocator(_ budget: UnsafeMutablePointer<Int>) -> ProtobufCAllocator {
    ProtobufCAllocator(
      alloc: { budget, size in
        guard let left = budget?.assumingMemoryBound(to: Int.self), left.pointee >= 0 else {
          return nil
        }
        left.pointee = size > left.pointee ? -1 : left.pointee - size
        return left.pointee < 0 ? nil : malloc(size)
      },
      free: { _, block in free(block) }, allocator_data: budget)
  }
}
