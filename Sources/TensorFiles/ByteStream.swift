import BertErrors
import ByteFiles

/// The bytes of one tensor, front to back.
protocol ByteStream: AnyObject {
  /// Fills `buffer` with the next bytes.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(BertError)

  /// Checks, once all expected bytes are read, that nothing follows and that checksums hold.
  func finish() throws(BertError)
}

/// A stretch of a file as it is.
final class FileStream: ByteStream {
  private let file: InputFile
  private var next: Int

  /// The container has checked that the bytes it will ask for lie in the file.
  init(_ file: InputFile, at offset: Int) {
    self.file = file
    self.next = offset
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(BertError) {
    try file.read(at: next, into: buffer)
    next += buffer.count
  }

  func finish() throws(BertError) {}
}

/// Bytes in memory.
final class MemoryStream: ByteStream {
  private let bytes: [UInt8]
  private var next = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(BertError) {
    if buffer.count > bytes.count - next {
      throw BertError(.malformed, "ends after \(bytes.count) bytes, before all that was expected")
    }
    bytes.withUnsafeBytes {
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[next..<(next + buffer.count)]))
    }
    next += buffer.count
  }

  func finish() throws(BertError) {}
}

/// A tensor's bytes and how they are to be understood.
struct TensorStream {
  let bytes: any ByteStream
  var isBigEndian = false
  /// How many elements lie between neighbours on each axis; nil when they lie in C order.
  var strides: [Int]?
}

extension ByteStream {
  /// Reads all that is left and checks it, for streams whose checksum covers more than is wanted.
  func drain(_ count: Int) throws(BertError) {
    let piece = UnsafeMutableRawBufferPointer.allocate(
      byteCount: min(max(count, 1), 1 << 20), alignment: 16)
    defer { piece.deallocate() }
    var left = count
    while left > 0 {
      let target = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(left, piece.count)])
      try read(into: target)
      left -= target.count
    }
    try finish()
  }
}

/// What holds tensors: a file of one of the kinds in `ContainerKind`, or the shards of an index.
protocol TensorContainer: Sendable {
  var tensors: [TensorInfo] { get }
  var ignored: [IgnoredEntry] { get }

  /// Begins reading the tensor at a position of `tensors`.
  func stream(_ position: Int) throws(BertError) -> TensorStream
}
