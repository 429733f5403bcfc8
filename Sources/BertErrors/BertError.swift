/// What went wrong, where, and what it means for the exit code.
///
/// Two errors are equal when their codes are: messages are for people.
public struct BertError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The kind of failure; extensible without breaking callers that switch on it.
  public struct Code: Hashable, Sendable {
    /// A stable name, for logs and JSON.
    public let name: String
    /// The exit code of a command that fails for this reason (sysexits.h where one fits).
    public let exitCode: Int32

    /// The drift gate failed.
    public static let driftGate = Code(name: "drift-gate", exitCode: 3)
    /// Some texts were not answered, and the caller asked to go on without them.
    public static let notAllAnswered = Code(name: "not-all-answered", exitCode: 4)
    /// The command line or an option's value makes no sense.
    public static let usage = Code(name: "usage", exitCode: 64)
    /// A file is damaged, hostile or contradicts itself.
    public static let malformed = Code(name: "malformed", exitCode: 65)
    /// A text has more tokens than the model takes, or more bytes than are read of one.
    public static let tooLong = Code(name: "too-long", exitCode: 65)
    /// A text holds bytes that are no UTF-8.
    public static let notUTF8 = Code(name: "not-utf8", exitCode: 65)
    /// A text's result is not finite: the model's weights overflow float32.
    public static let notFinite = Code(name: "not-finite", exitCode: 65)
    /// An input is not there or cannot be read.
    public static let notFound = Code(name: "not-found", exitCode: 66)
    /// Well formed, but something this package does not do.
    public static let unsupported = Code(name: "unsupported", exitCode: 69)
    /// The operating system refused something that is not the input's fault.
    public static let system = Code(name: "system", exitCode: 71)
    /// The output cannot be written.
    public static let cannotWrite = Code(name: "cannot-write", exitCode: 73)
    /// More work waits than the caller would wait for; nothing was computed, try again later.
    public static let overloaded = Code(name: "overloaded", exitCode: 75)
    /// The caller's deadline passed, or would have, before the answer; nothing was computed.
    public static let deadline = Code(name: "deadline", exitCode: 75)
    /// The caller's task was cancelled before the answer.
    public static let cancelled = Code(name: "cancelled", exitCode: 75)
  }

  /// What a user can do where that depends on how this package is used: a program names its own option,
  /// a library's user has a parameter.
  public struct Remedy: Hashable, Sendable {
    /// A stable name.
    public let name: String

    /// Let texts be cut to what the model takes.
    public static let truncate = Remedy(name: "truncate")
    /// Let bytes that are no UTF-8 be replaced by U+FFFD.
    public static let replaceInvalidUTF8 = Remedy(name: "replace-invalid-utf8")
    /// Make UTF-8 of the input before it is read.
    public static let convertToUTF8 = Remedy(name: "convert-to-utf8")
    /// Compute fewer tokens at once, or with fewer threads.
    public static let computeLessAtOnce = Remedy(name: "compute-less-at-once")
    /// Name the model's configuration file.
    public static let nameConfiguration = Remedy(name: "name-configuration")
    /// Convert without calibration texts, or to float32 alone.
    public static let convertWithoutCalibration = Remedy(name: "convert-without-calibration")
    /// Give the model's vocabulary, or convert without calibration texts.
    public static let nameVocabulary = Remedy(name: "name-vocabulary")
    /// Convert without a tokenizer, for token ids alone.
    public static let convertForIDs = Remedy(name: "convert-for-ids")
    /// Convert the checkpoint again, storing both precisions.
    public static let storeBothPrecisions = Remedy(name: "store-both-precisions")
    /// Ask for a larger drift, or keep float32 weights alone.
    public static let allowMoreDrift = Remedy(name: "allow-more-drift")
  }

  /// The kind of failure.
  public var code: Code
  /// What was found, what was expected and what to do.
  public var message: String
  /// The file concerned.
  public var file: String?
  /// The tensor concerned.
  public var tensor: String?
  /// Where in the file, in bytes from its start.
  public var byteOffset: Int?
  /// What can be done about it, where `message` cannot say that for every user of this package.
  public var remedy: Remedy?
  /// How long to wait before asking again, where that is known.
  public var retryAfter: Duration?

  /// Makes an error; the place may be filled in later by whoever knows it.
  public init(
    _ code: Code, _ message: String, file: String? = nil, tensor: String? = nil,
    byteOffset: Int? = nil, remedy: Remedy? = nil
  ) {
    self.code = code
    self.message = message
    self.file = file
    self.tensor = tensor
    self.byteOffset = byteOffset
    self.remedy = remedy
  }

  /// The same error with `file` filled in, unless it already names one.
  public func inFile(_ path: String) -> BertError {
    var copy = self
    copy.file = file ?? path
    return copy
  }

  /// `file: tensor 'name': at byte n: message`, with the parts that are known.
  public var description: String {
    var text = ""
    if let file { text += "\(file): " }
    if let tensor { text += "tensor '\(tensor)': " }
    if let byteOffset { text += "at byte \(byteOffset): " }
    return text + message
  }

  /// Equality is by code alone.
  public static func == (a: BertError, b: BertError) -> Bool { a.code == b.code }
}
