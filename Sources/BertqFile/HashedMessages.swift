import BertErrors
import BertModel
import CBertqHeader

/// The parts of a header that say how a text becomes an answer, in the bytes they have in the file:
/// fingerprints hash them whole, fields of later writers included.
struct HashedMessages {
  let configuration: [UInt8]
  /// Empty where there is none.
  let tokenizer: [UInt8]
  let embedding: [UInt8]
  /// Empty where there is none.
  let head: [UInt8]

  /// Those of a header that was read.
  init(_ header: Bertq__Header) {
    configuration = header.configuration.map(Self.packed) ?? []
    tokenizer = header.tokenizer.map(Self.packed) ?? []
    embedding = header.embedding.map(Self.packed) ?? []
    head = header.head.map(Self.packed) ?? []
  }

  /// Those of a model to be written.
  ///
  /// - Throws: `malformed` when a value cannot be stored.
  init(_ description: ModelDescription) throws(BertError) {
    let arena = Arena()
    configuration = Self.packed(try arena.configuration(description.configuration))
    tokenizer =
      try description.tokenizer.map { (value) throws(BertError) in
        Self.packed(try arena.tokenizer(value))
      } ?? []
    embedding = Self.packed(try arena.embedding(description.embedding))
    head =
      try description.head.map { (value) throws(BertError) in
        Self.packed(try arena.head(value))
      } ?? []
    withExtendedLifetime(arena) {}
  }

  /// The bytes of a message.
  ///
  /// Safety: every structure of the header begins with a `ProtobufCMessage`.
  private static func packed<Message>(_ message: UnsafeMutablePointer<Message>) -> [UInt8] {
    let base = UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
    let size = protobuf_c_message_get_packed_size(base)
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = protobuf_c_message_pack(base, buffer.baseAddress)
    }
  }
}
