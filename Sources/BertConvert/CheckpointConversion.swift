import BertErrors
import BertKernels
import BertModel
import BertQuantize
import BertTokenize
import BertqFile
import ByteFiles
import JSONText

@_exported import struct BertErrors.BertError

/// Turns a published checkpoint into one `.bertq` file.
///
///     var conversion = CheckpointConversion(input: "all-MiniLM-L6-v2", output: "minilm.bertq")
///     conversion.weights = .int8
///     let result = try conversion.run { event in
///       if case .note(let text) = event { print(text) }
///     }
///     print(result.int8Fingerprint ?? "")
///
/// The file appears under its name whole or not at all. A value of this type may be run from any thread; a run
/// takes as many threads as `threads` says, and blocks the one that calls it.
public struct CheckpointConversion: Sendable {
  /// Which weights a file is to hold.
  public enum Weights: String, Sendable, CaseIterable {
    /// float32 and int8: drift can be measured, and either can be run.
    case both
    /// int8 alone: the smallest file.
    case int8
    /// float32 alone.
    case float
  }

  /// The texts that int8 weights are fitted to.
  public enum Calibration: Equatable, Sendable {
    /// Some, in several languages, that come with this package.
    case builtIn
    /// Those of a file, one a line.
    case file(String)
    /// None: the weights are rounded as they are.
    case none
  }

  /// How the int8 path's word embeddings are stored: most of a multilingual model's bytes.
  public enum WordEmbeddings: String, Sendable, CaseIterable {
    /// As published.
    case f32
    /// In 16 bits: half the bytes, and next to no drift.
    case f16
    /// In 8 bits with a scale for every 32 numbers: 0.28 of the bytes.
    case int8
  }

  /// The checkpoint: a file, a shard index or a folder; or a `.bertq` file that holds float32 weights, to bring
  /// it to the newest quantiser.
  public var input: String
  /// The `.bertq` file to write.
  public var output: String
  /// The model's configuration, when it does not lie beside the checkpoint.
  public var configuration: String?
  /// `vocab.txt` or `tokenizer.json`, when it does not lie there.
  public var vocabulary: String?
  /// The number of attention heads, where no configuration says it.
  public var heads: Int?
  /// Whether the tokenizer is left out, so that the file takes token ids alone.
  public var idsOnly = false
  /// Which weights are written.
  public var weights = Weights.both
  /// How the int8 path's word embeddings are stored.
  ///
  /// The float32 path always has the published ones. As published is the default: int8 costs 0.1 dB of SQNR on
  /// all-MiniLM-L6-v2, and of a mapped file only the rows of words that occur are ever read.
  public var embeddings = WordEmbeddings.f32
  /// What int8 weights are fitted to.
  public var calibration = Calibration.builtIn
  /// The largest drift on texts held out from calibration; the cheapest linears that this takes stay in float32.
  public var driftLimit: DriftLimit?
  /// Parts of the quantiser to leave out, to see what each is worth: `no-rotation,nearest`.
  public var recipe: String?
  /// Threads to use; nil for this process's share of the cores.
  public var threads: Int?
  /// Where to write what was imported and quantised, as JSON.
  public var report: String?

  /// A conversion with the settings that are right for most models.
  public init(input: String, output: String) {
    self.input = input
    self.output = output
  }

  /// Converts.
  ///
  /// - Parameter watch: told how far it is and what a user should know, on the calling thread.
  /// - Throws: `notFound`, `malformed` or `unsupported` for the checkpoint or what lies beside it; `usage` for settings
  ///   that contradict each other; `driftGate` when the drift limit cannot be kept; `cannotWrite`; `system`. Nothing is
  ///   left of an unfinished file; the report is written all the same, as far as it goes.
  public func run(
    _ watch: (ConversionEvent) -> Void = { _ in }
  ) throws(BertError) -> ConversionResult {
    try requireSense()
    var run = ConversionRun(self)
    return try withoutActuallyEscaping(watch) { (watch) throws(BertError) in try run.perform(watch)
    }
  }

  private func requireSense() throws(BertError) {
    if driftLimit != nil && calibration == .none {
      throw BertError(.usage, "a drift limit is measured on calibration texts, and there are none")
    }
    if weights == .float && (driftLimit != nil || recipe != nil || isCalibratedByFile) {
      throw BertError(
        .usage, "calibration texts, drift limit and recipe have no say in float32 weights alone")
    }
    if weights == .float && embeddings != .f32 {
      throw BertError(.usage, "word embeddings are rounded for int8 weights, and there are none")
    }
    if let heads, heads < 1 {
      throw BertError(.usage, "\(heads) attention heads: expected 1 or more")
    }
    if let threads, !(1...CpuShare.limit).contains(threads) {
      throw BertError(.usage, "\(threads) threads: expected 1 to \(CpuShare.limit)")
    }
  }

  private var isCalibratedByFile: Bool {
    if case .file = calibration { return true }
    return false
  }
}

extension CheckpointConversion.WordEmbeddings {
  /// The quantiser's name for it.
  var form: WordEmbeddingForm {
    switch self {
    case .f32: .float32
    case .f16: .float16
    case .int8: .int8
    }
  }
}

/// How much an int8 model may drift from float32, on texts held out from calibration.
public struct DriftLimit: Equatable, Sendable {
  /// The least cosine of a text's two embeddings, below 1.
  public var cosine: Double?
  /// The least SQNR of the last hidden states, in dB.
  public var sqnr: Double?

  /// One limit or both.
  public init(cosine: Double? = nil, sqnr: Double? = nil) {
    self.cosine = cosine
    self.sqnr = sqnr
  }
}

/// What a conversion made.
public struct ConversionResult: Sendable {
  /// What was read: the sizes, in a sentence.
  public let summary: String
  /// What the model is for, in a few words.
  public let purpose: String
  /// The names of a classifier's labels, in the order of its logits; empty for other models.
  public let labels: [String]
  /// Tasks that the model answers, by the names that `bert-run --task` knows; first what it is for.
  public let tasks: [String]
  /// What identifies float32 vectors of the file; nil without float32 weights.
  public let floatFingerprint: String?
  /// What identifies int8 vectors of the file; nil without int8 weights.
  public let int8Fingerprint: String?
}
