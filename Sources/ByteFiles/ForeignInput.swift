import BertErrors

/// Inputs that are plainly something else than what they are taken for, by how they begin.
package struct ForeignInput {
  /// How an input is read.
  package enum Form: Sendable {
    /// A line is a text.
    case text
    /// A line is a JSON object.
    case objects
    /// The first line names columns.
    case table
  }

  /// Who reads.
  package struct Reader: Sendable {
    /// The command that reads standard input.
    let command: String
    /// Whether it has --jsonl, --csv and --tsv.
    let takesRecords: Bool

    /// A program that reads a text a line, or records too.
    package init(_ command: String, takesRecords: Bool = false) {
      (self.command, self.takesRecords) = (command, takesRecords)
    }
  }

  /// So many bytes of the first line are looked at.
  private static let looked = 1 << 16

  private let form: Form
  private let reader: Reader
  private let name: String
  private var file: String { name == "standard input" ? "FILE" : name }

  /// Refuses an input that is not what it is read as, and says what it is and how to read it; takes nothing of it.
  ///
  /// - Throws: `malformed`; `notFound` when it cannot be read.
  package static func check(
    _ lines: LineReader, as form: Form = .text, by reader: Reader
  ) throws(BertError) {
    let head = try lines.peek(looked)
    let input = ForeignInput(form: form, reader: reader, name: lines.name)
    var finding = input.binary(head)
    if finding == nil { finding = input.json(head) }
    if finding == nil { finding = input.oldLines(head) }
    if finding == nil, form == .text { finding = input.byName() }
    if let finding { throw BertError(.malformed, finding, file: lines.name) }
  }

  /// Lines that end as on old Macs would all be one.
  private func oldLines(_ head: ArraySlice<UInt8>) -> String? {
    guard !head.contains(0x0A), head.dropLast().contains(0x0D) else { return nil }
    return
      "ends its lines in CR alone, as old Macs did: tr '\\r' '\\n' < '\(file)' | \(reader.command)"
  }

  private func binary(_ head: ArraySlice<UInt8>) -> String? {
    let wide = Self.wide
    for (mark, encoding) in wide where head.starts(with: mark) {
      return "is \(encoding) text: iconv -f \(encoding) -t UTF-8 '\(file)' makes UTF-8 of it"
    }
    if let encoding = Self.unmarkedWide(head) {
      return "looks like \(encoding) text, for every other byte is 0: "
        + "iconv -f \(encoding) -t UTF-8 '\(file)' makes UTF-8 of it"
    }
    for (mark, place, kind, way) in Self.marks where head.dropFirst(place).starts(with: mark) {
      let isMeant = reader.takesRecords || way?.contains("--csv") == false
      let way =
        way.flatMap { isMeant ? $0 : nil }.map {
          $0.replacing("FILE", with: file).replacing("bert-run …", with: reader.command)
        } ?? "give its texts, one a line"
      return "is \(kind), not text: \(way)"
    }
    return nil
  }

  /// The longer marks first: that of UTF-32 begins as that of UTF-16 does.
  private static let wide: [([UInt8], String)] = [
    ([0xFF, 0xFE, 0, 0], "UTF-32LE"), ([0, 0, 0xFE, 0xFF], "UTF-32BE"), ([0xFF, 0xFE], "UTF-16LE"),
    ([0xFE, 0xFF], "UTF-16BE"),
  ]

  /// Latin letters in two or four bytes, without a mark.
  private static func unmarkedWide(_ head: ArraySlice<UInt8>) -> String? {
    let bytes = Array(head.prefix(64))
    guard bytes.count >= 8 else { return nil }
    func isZero(_ place: Int, of step: Int) -> Bool {
      stride(from: place, to: bytes.count - bytes.count % step, by: step).allSatisfy {
        bytes[$0] == 0
      }
    }
    let zeros = (0..<4).map { isZero($0, of: 4) }
    if zeros == [false, true, true, true] { return "UTF-32LE" }
    if zeros == [true, true, true, false] { return "UTF-32BE" }
    // The line's end is one byte of two here, so the last pair may be whole or not.
    if !isZero(0, of: 2) && isZero(1, of: 2) { return "UTF-16LE" }
    if isZero(0, of: 2) && !isZero(1, of: 2) { return "UTF-16BE" }
    return nil
  }

  /// How files begin that are no text: the bytes, where, what they are, and how to get at their texts.
  private static let marks: [([UInt8], Int, String, String?)] = [
    ([0x1F, 0x8B], 0, "gzip", "gzip -dc 'FILE' | bert-run …"),
    (Array("PAR1".utf8), 0, "Parquet", parquet), (Array("PARE".utf8), 0, "encrypted Parquet", nil),
    (
      [0x50, 0x4B, 3, 4], 0, "a ZIP archive (also .xlsx, .docx, .npz)",
      "unzip -p 'FILE' NAME | bert-run …"
    ),
    ([0x50, 0x4B, 5, 6], 0, "an empty ZIP archive", nil),
    ([0x28, 0xB5, 0x2F, 0xFD], 0, "zstd", "zstd -dc 'FILE' | bert-run …"),
    ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], 0, "xz", "xz -dc 'FILE' | bert-run …"),
    ([0x31, 0x41, 0x59, 0x26, 0x53, 0x59], 4, "bzip2", "bzip2 -dc 'FILE' | bert-run …"),
    ([0x04, 0x22, 0x4D, 0x18], 0, "lz4", "lz4 -dc 'FILE' | bert-run …"),
    ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], 0, "a 7z archive", "7z x -so 'FILE' | bert-run …"),
    (Array("Rar!".utf8), 0, "a RAR archive", nil),
    (Array("ustar".utf8), 257, "a tar archive", "tar -xOf 'FILE' NAME | bert-run …"),
    (Array("ARROW1".utf8) + [0], 0, "Arrow", nil), (Array("FEA1".utf8), 0, "Feather", nil),
    ([0xFF, 0xFF, 0xFF, 0xFF], 0, "an Arrow stream", nil),
    (Array("ORC".utf8) + [0x08], 0, "ORC", nil), (Array("Obj".utf8) + [1], 0, "Avro", nil),
    (
      Array("SQLite format 3".utf8) + [0], 0, "an SQLite database",
      "sqlite3 'FILE' 'select text from …' | bert-run …"
    ),
    ([0x93] + Array("NUMPY".utf8), 0, "a NumPy array", nil),
    ([0x89, 0x48, 0x44, 0x46], 0, "HDF5", nil),
    ([0x89, 0x42, 0x54, 0x51], 0, "a .bertq model", nil),
    (Array("%PDF-".utf8), 0, "PDF", "pdftotext 'FILE' - | bert-run …"),
    ([0xD0, 0xCF, 0x11, 0xE0], 0, "an old Office document", nil),
    (Array("{\\rtf".utf8), 0, "RTF", nil),
    ([0x89, 0x50, 0x4E, 0x47], 0, "a PNG picture", nil),
    ([0xFF, 0xD8, 0xFF], 0, "a JPEG picture", nil),
    (Array("GIF89a".utf8), 0, "a GIF picture", nil),
    ([0x7F, 0x45, 0x4C, 0x46], 0, "a program (ELF)", nil),
    ([0x80, 2], 0, "a Python pickle", nil), ([0x80, 3], 0, "a Python pickle", nil),
    ([0x80, 4], 0, "a Python pickle", nil), ([0x80, 5], 0, "a Python pickle", nil),
  ]

  private static let parquet =
    "duckdb -csv -c \"select id, text from 'FILE'\" | bert-run --csv …"

  /// JSON that is read as something else, or not line by line.
  private func json(_ head: ArraySlice<UInt8>) -> String? {
    var scanner = HeadScanner(head)
    let isLines = form == .objects
    let texts = "jq -r .text '\(file)' | \(reader.command) takes their texts"
    if scanner.take("{") {
      if scanner.isAtEnd {
        return "looks like JSON over several lines: "
          + (reader.takesRecords ? "jq -c . '\(file)' | bert-run --jsonl …" : texts)
      }
      guard !isLines, scanner.takeString(), scanner.take(":") else { return nil }
      return "looks like JSON Lines: " + (reader.takesRecords ? "pass --jsonl" : texts)
    }
    guard scanner.take("[") else { return nil }
    let isList =
      scanner.isAtEnd || scanner.take("{")
      || !isLines && scanner.takeString() && (scanner.take(",") || scanner.take("]"))
    guard isList else { return nil }
    return "looks like one JSON array: "
      + (reader.takesRecords
        ? "jq -c '.[]' '\(file)' | bert-run --jsonl … reads its objects"
        : "jq -r '.[]' '\(file)' | \(reader.command) takes its texts")
  }

  /// Tables are told from text by their names alone.
  private func byName() -> String? {
    let name = name.lowercased()
    let option =
      name.hasSuffix(".csv")
      ? "--csv" : name.hasSuffix(".tsv") || name.hasSuffix(".tab") ? "--tsv" : nil
    if option != nil, !reader.takesRecords {
      return
        "is a table by its name: give its texts, one a line; or give it on standard input (-) to read its "
        + "lines as they are"
    }
    return option.map {
      "is a table by its name: pass \($0), and --text-field for the column with the texts; or give it on "
        + "standard input to read its lines as they are"
    }
  }
}

/// Reads how a JSON text begins, as far as one line shows it.
private struct HeadScanner {
  private let bytes: ArraySlice<UInt8>
  private var at: Int

  init(_ head: ArraySlice<UInt8>) {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let text = (head.starts(with: mark) ? head.dropFirst(3) : head).drop(while: Self.isSpace)
    bytes = text.prefix { $0 != 0x0A }
    at = bytes.startIndex
  }

  private static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0A, 0x0D].contains(byte) }

  private mutating func skipSpace() {
    while at < bytes.endIndex, Self.isSpace(bytes[at]) { at += 1 }
  }

  var isAtEnd: Bool {
    mutating get {
      skipSpace()
      return at >= bytes.endIndex
    }
  }

  /// Steps over one character behind white space.
  mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard at < bytes.endIndex, bytes[at] == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  mutating func takeString() -> Bool {
    guard take("\"") else { return false }
    while at < bytes.endIndex {
      defer { at += 1 }
      if bytes[at] == UInt8(ascii: "\\") {
        at += 1
      } else if bytes[at] == UInt8(ascii: "\"") {
        return true
      }
    }
    return false
  }
}
