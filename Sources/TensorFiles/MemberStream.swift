import BertErrors
import ByteFiles
import CZlib

/// A stored member's bytes, CRC-32 checked at the end.
final class StoredStream: ByteStream {
  private let inner: FileStream
  private let member: ZipArchive.Member
  private var done = 0
  private var crc: UInt = 0

  init(_ member: ZipArchive.Member, in file: InputFile) {
    self.member = member
    inner = FileStream(file, at: member.dataOffset)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(BertError) {
    if buffer.count > member.size - done { throw member.endsEarly(at: done) }
    try inner.read(into: buffer)
    done += buffer.count
    crc = updated(crc, buffer)
  }

  func finish() throws(BertError) { try member.check(read: done, crc: crc) }
}

/// A deflated member's bytes, expanded as they are asked for.
///
/// No more is expanded than the reader asks for, which is bounded by the tensor's shape; the
/// member's size and CRC-32 are checked at the end.
final class InflateStream: ByteStream {
  private let file: InputFile
  private let member: ZipArchive.Member
  private let state: UnsafeMutablePointer<z_stream>
  private let input: UnsafeMutableRawBufferPointer
  private var fed = 0
  private var done = 0
  private var crc: UInt = 0
  private var hasEnded = false

  private static let inputSize = 1 << 16

  init(_ member: ZipArchive.Member, in file: InputFile) throws(BertError) {
    self.file = file
    self.member = member
    // zlib keeps a pointer to its stream, so the stream must not move.
    state = .allocate(capacity: 1)
    state.initialize(to: z_stream())
    // One byte more than is fed at a time: `finish` sees in it what follows the expected end.
    input = .allocate(byteCount: Self.inputSize + 1, alignment: 16)
    let size = Int32(MemoryLayout<z_stream>.size)
    // Negative window bits: raw deflate, without a zlib header.
    guard inflateInit2_(state, -15, ZLIB_VERSION, size) == Z_OK else {
      throw BertError(.system, "zlib cannot be started", file: file.path)
    }
  }

  deinit {
    inflateEnd(state)
    input.deallocate()
    state.deallocate()
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(BertError) {
    if buffer.count > member.size - done { throw member.endsEarly(at: done) }
    let count = try expand(into: buffer)
    if count < buffer.count { throw member.endsEarly(at: done + count) }
    crc = updated(crc, buffer)
    done += count
  }

  func finish() throws(BertError) {
    // The stream's end may still have to be read; it must bring no byte.
    if try expand(into: UnsafeMutableRawBufferPointer(rebasing: input[Self.inputSize...])) > 0 {
      throw member.failure("expands to more than the \(member.size) bytes that it claims")
    }
    let unread = member.compressedSize - fed + Int(state.pointee.avail_in)
    if unread > 0 {
      throw member.failure("\(unread) bytes follow the end of its compressed data")
    }
    try member.check(read: done, crc: crc)
  }

  /// Expands until `buffer` is full or the data ends; gives how many bytes it put there.
  private func expand(into buffer: UnsafeMutableRawBufferPointer) throws(BertError) -> Int {
    var filled = 0
    while filled < buffer.count && !hasEnded {
      if state.pointee.avail_in == 0 { try feed() }
      // zlib counts in 32 bits.
      let piece = min(buffer.count - filled, 1 << 30)
      state.pointee.next_out = buffer.baseAddress.map {
        ($0 + filled).assumingMemoryBound(to: Bytef.self)
      }
      state.pointee.avail_out = UInt32(piece)
      let before = state.pointee.avail_in
      let code = inflate(state, Z_NO_FLUSH)
      let made = piece - Int(state.pointee.avail_out)
      filled += made
      switch code {
      case Z_STREAM_END: hasEnded = true
      case Z_OK, Z_BUF_ERROR:
        if made == 0 && state.pointee.avail_in == before && fed == member.compressedSize {
          throw member.failure("its compressed data ends early")
        }
      default:
        let reason = state.pointee.msg.map { String(cString: $0) } ?? "error \(code)"
        throw member.failure("its compressed data is damaged: \(reason)")
      }
    }
    return filled
  }

  private func feed() throws(BertError) {
    let count = min(Self.inputSize, member.compressedSize - fed)
    try file.read(at: member.dataOffset + fed, into: .init(rebasing: input[..<count]))
    fed += count
    state.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: Bytef.self)
    state.pointee.avail_in = UInt32(count)
  }
}

private func updated(_ crc: UInt, _ buffer: UnsafeMutableRawBufferPointer) -> UInt {
  var crc = crc
  var done = 0
  while done < buffer.count {
    let count = min(buffer.count - done, 1 << 30)
    let bytes = buffer.baseAddress.map { UnsafeRawPointer($0 + done) }
    crc = crc32(crc, bytes?.assumingMemoryBound(to: Bytef.self), UInt32(count))
    done += count
  }
  return crc
}

extension ZipArchive.Member {
  func failure(_ message: String) -> BertError {
    BertError(.malformed, message, tensor: String(name.prefix(200)), byteOffset: dataOffset)
  }

  func endsEarly(at count: Int) -> BertError {
    failure("ends after \(count) bytes, before all that was expected")
  }

  func check(read: Int, crc found: UInt) throws(BertError) {
    if read != size {
      throw failure("\(size - read) bytes follow its array; expected none")
    }
    if UInt32(truncatingIfNeeded: found) != crc {
      throw failure(
        "its CRC-32 is \(String(UInt32(truncatingIfNeeded: found), radix: 16)), the archive says "
          + "\(String(crc, radix: 16)): it is damaged")
    }
  }
}
