import BertErrors
import ByteFiles
import JSONText

/// Writes beside an array what its rows belong to: a JSON object for each text.
///
/// `{"index":0,"id":"a","rows":[0,1]}` says that rows 0 to 0 are text 0's. Nothing is under the file's name until all is written.
package final class RowsWriter {
  private let path: String
  private let spool: WritableFile
  private var buffer: [UInt8] = []
  private var row = 0

  /// - Throws: `cannotWrite` where no file can have this name.
  package init(path: String) throws(BertError) {
    self.path = path
    try OutputFile.check(path)
    spool = try WritableFile.temporary()
  }

  func write(_ index: Int, _ id: JSON?, rows: Int) throws(BertError) {
    start(index, id, rows)
    buffer += "}\n".utf8
    try flush(force: false)
  }

  func write(_ failed: FailedRecord, rows: Int) throws(BertError) {
    start(failed.index, failed.id, rows)
    failed.error.writeMember(into: &buffer)
    buffer += "}\n".utf8
    try flush(force: false)
  }

  private func start(_ index: Int, _ id: JSON?, _ rows: Int) {
    buffer += "{\"index\":\(index)".utf8
    if let id {
      buffer += ",\"id\":".utf8
      id.write(into: &buffer)
    }
    buffer += ",\"rows\":[\(row),\(row + rows)]".utf8
    row += rows
  }

  private func flush(force: Bool = true) throws(BertError) {
    if !force && buffer.count < 1 << 16 { return }
    try spool.write(buffer)
    buffer.removeAll(keepingCapacity: true)
  }

  func finish() throws(BertError) {
    try flush()
    try spool.copy(toFile: path)
  }
}
