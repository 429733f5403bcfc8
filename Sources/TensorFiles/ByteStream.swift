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

/// A tensor's bytes and how they are to be understood.
struct TensorStream {
  let bytes: any ByteStream
  var isBigEndian = false
  var isFortranOrder = false
}

/// What holds tensors: one safetensors file, one npz archive, or the shards of an index.
protocol TensorContainer: Sendable {
  var tensors: [TensorInfo] { get }
  var ignored: [IgnoredEntry] { get }

  /// Begins reading the tensor at a position of `tensors`.
  func stream(_ position: Int) throws(BertError) -> TensorStream
}
