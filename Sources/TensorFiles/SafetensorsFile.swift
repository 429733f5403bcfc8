import BertErrors
import ByteFiles
import JSONText

/// A safetensors file: eight bytes of header length, a JSON header, then the tensors' bytes.
///
/// Rules from the format's description: the header is at most 100 MB and begins with `{`, keys
/// occur once, and the tensors cover the rest of the file without hole or overlap.
final class SafetensorsFile: TensorContainer {
  let file: InputFile
  let tensors: [TensorInfo]
  let ignored: [IgnoredEntry] = []

  init(path: String) throws(BertError) {
    file = try InputFile(path)
    do throws(BertError) {
      tensors = try Self.readTable(file)
    } catch {
      throw error.inFile(path)
    }
  }

  func stream(_ position: Int) throws(BertError) -> TensorStream {
    TensorStream(bytes: FileStream(file, at: tensors[position].byteOffset))
  }

  private static func readTable(_ file: InputFile) throws(BertError) -> [TensorInfo] {
    let length = try headerLength(file)
    let header: JSON
    do throws(BertError) {
      header = try JSON.parse(file.bytes(8..<(8 + length)), duplicateKeys: .reject)
    } catch {
      var error = error
      error.message = "the safetensors header is damaged: " + error.message
      error.byteOffset = error.byteOffset.map { $0 + 8 }
      throw error
    }
    guard let entries = header.objectValue else {
      throw BertError(
        .malformed, "the safetensors header is \(header.kind); expected an object", byteOffset: 8)
    }
    var spans: [Span] = []
    spans.reserveCapacity(entries.count)
    for (name, value) in entries {
      if name == "__metadata__" {
        try checkMetadata(value)
      } else {
        spans.append(try readSpan(name, value))
      }
    }
    try checkCoverage(spans, dataStart: 8 + length, fileSize: file.size)
    return spans.map { span in
      TensorInfo(
        name: span.name, type: span.type, shape: span.shape, file: file.path,
        byteOffset: 8 + length + span.begin, isPlain: true, elementCount: span.elementCount)
    }
  }

  private static func headerLength(_ file: InputFile) throws(BertError) -> Int {
    let start = try file.bytes(0..<min(16, file.size))
    if start.count < 8 {
      throw BertError(
        .malformed, "is \(file.size) bytes; a safetensors file has at least 8", byteOffset: 0)
    }
    let length = LittleEndian(bytes: start).u64(0)
    let looks =
      FileSignature(try FileSignature.start(of: file)).map {
        $0.noun.hasSuffix("safetensors file") ? "" : "; it looks like \($0.noun): \($0.advice)"
      } ?? ""
    if length > FileLimits.safetensorsHeader {
      throw BertError(
        .malformed,
        "is not a safetensors file: its first 8 bytes mean a header of \(length) bytes, at most "
          + "\(FileLimits.safetensorsHeader) are allowed\(looks)", byteOffset: 0)
    }
    if Int(length) > file.size - 8 {
      throw BertError(
        .malformed,
        "the header should be \(length) bytes long but only \(file.size - 8) follow: the file is "
          + "truncated or is not a safetensors file\(looks)", byteOffset: 0)
    }
    if length == 0 || start.count < 9 || start[8] != UInt8(ascii: "{") {
      throw BertError(
        .malformed, "the safetensors header does not begin with '{'\(looks)", byteOffset: 8)
    }
    return Int(length)
  }

  private static func checkMetadata(_ value: JSON) throws(BertError) {
    guard let members = value.objectValue else {
      throw BertError(
        .malformed, "__metadata__ is \(value.kind); expected an object of strings", byteOffset: 8)
    }
    for (key, text) in members where text.stringValue == nil {
      throw BertError(
        .malformed, "__metadata__ member '\(key.prefix(80))' is \(text.kind); expected a string",
        byteOffset: 8)
    }
  }

  /// A tensor's entry, its offsets counted from the end of the header.
  private struct Span {
    let name: String
    let type: StoredType
    let shape: [Int]
    let begin: Int
    let end: Int
    let elementCount: Int
  }

  private static func readSpan(_ name: String, _ value: JSON) throws(BertError) -> Span {
    func failure(_ message: String) -> BertError {
      BertError(.malformed, message, tensor: String(name.prefix(200)), byteOffset: 8)
    }
    func sizes(_ field: String) throws(BertError) -> [Int] {
      guard let list = value[field]?.arrayValue else { throw failure("has no list '\(field)'") }
      var result: [Int] = []
      for element in list {
        guard let size = element.integerValue, size >= 0 else {
          throw failure(
            "'\(field)' holds \(element.text().prefix(40)); expected whole numbers from 0 on")
        }
        result.append(size)
      }
      return result
    }
    guard let typeName = value["dtype"]?.stringValue else { throw failure("has no 'dtype'") }
    guard let type = StoredType(rawValue: typeName) else {
      throw failure("dtype '\(typeName.prefix(40))' is unknown")
    }
    let shape = try sizes("shape")
    let offsets = try sizes("data_offsets")
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw failure("data_offsets are \(offsets.prefix(4)); expected a begin and an end after it")
    }
    guard let extent = type.extent(of: shape) else {
      throw failure("shape \(shape) of \(typeName) does not make a whole number of bytes below 2⁶³")
    }
    if extent.bytes != offsets[1] - offsets[0] {
      throw failure(
        "data_offsets span \(offsets[1] - offsets[0]) bytes; shape \(shape) of \(typeName) needs "
          + "\(extent.bytes)")
    }
    return Span(
      name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1],
      elementCount: extent.elements)
  }

  private static func checkCoverage(
    _ spans: [Span], dataStart: Int, fileSize: Int
  ) throws(BertError) {
    var covered = 0
    for span in spans.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
      if span.begin != covered {
        throw BertError(
          .malformed,
          "begins at byte \(span.begin) of the data, where \(covered) was expected: tensors may "
            + "neither overlap nor leave holes", tensor: String(span.name.prefix(200)),
          byteOffset: dataStart)
      }
      covered = span.end
      // Subtraction cannot overflow: both are positive.
      if covered > fileSize - dataStart {
        throw BertError(
          .malformed,
          "ends at byte \(span.end) of the data, but the file holds only "
            + "\(fileSize - dataStart): it is truncated", tensor: String(span.name.prefix(200)),
          byteOffset: fileSize)
      }
    }
    if covered != fileSize - dataStart {
      throw BertError(
        .malformed,
        "\(fileSize - dataStart - covered) bytes follow the last tensor; expected none",
        byteOffset: dataStart + covered)
    }
  }
}
