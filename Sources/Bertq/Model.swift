@_exported import BertErrors
import BertKernels
import BertModel
import BertRuntime
import BertqFile
import Synchronization

/// A BERT-like encoder from a `.bertq` file, for any number of callers at once.
///
/// The file is mapped and its weights are verified once; share one model between all threads and tasks.
/// Callers that come together are computed together, and no bit of an answer shows it.
///
///     let model = try Model(path: "model.bertq")
///     let vectors = try model.embed(["a text", "another"])       // blocks; throws at the first bad text
///     let each = model.embedEach(["a text", "another"])          // a result for each text
///
/// In an asynchronous function the same names mean the twins that suspend:
///
///     let later = try await model.embed(["a text"])
///
/// Threads start with the first call. A model that was opened before `fork` works in the child too: it
/// starts threads of its own there. Build with `-c release`: a debug build does not optimise the kernels.
public final class Model: Sendable {
  /// The opened file.
  package let served: ServedModel
  package let kernels: KernelSet
  private let weights: SharedWeights
  private let options: ModelOptions
  /// How an embedding is made.
  package let recipe: EmbeddingRecipe
  /// Made by the first call, and again by the first in a forked child, which leaves its parent's as it
  /// lies: nil is 0.
  private let engine = Atomic<UInt>(0)

  /// Verifies every byte of a file, also of weights that opening it leaves for later.
  ///
  /// - Parameters:
  ///   - path: the `.bertq` file.
  ///   - progress: is told how many bytes are verified, and of how many.
  /// - Throws: as opening does; `malformed`, with tensor and offset, for what is not as it was written.
  public static func verify(
    path: String, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(BertError) {
    let file = try ModelFile.open(path)
    try file.verifyAll(progress: progress)
    // A file of an earlier numeric version is whole, but not served.
    if file.numericVersion == NumericContract.version { _ = try ServedModel(path: path) }
  }

  /// Opens a file and verifies the weights that will be used.
  ///
  /// - Throws: `notFound`, `malformed` with file, tensor and offset, `unsupported` for a precision that the
  ///   file does not hold or kernels that this CPU does not run, `usage` for options out of range.
  public convenience init(
    path: String, options: ModelOptions = ModelOptions()
  ) throws(BertError) {
    try self.init(ServedModel(path: path), options: options)
  }

  package init(_ served: ServedModel, options: ModelOptions) throws(BertError) {
    if let threads = options.threads, !(1...CpuShare.limit).contains(threads) {
      throw BertError(.usage, "\(threads) threads; expected 1 to \(CpuShare.limit)")
    }
    if let budget = options.tokenBudget, budget < 1 {
      throw BertError(.usage, "a token budget of \(budget); expected at least 1")
    }
    if options.cacheBytes < 0 {
      throw BertError(.usage, "a cache of \(options.cacheBytes) bytes; expected at least 0")
    }
    self.served = served
    self.options = options
    recipe = try served.recipe(dimensions: options.dimensions)
    kernels = try KernelSet.choose(options.kernels)
    precision = options.precision ?? (served.holds(.int8) ? .int8 : .float32)
    guard served.holds(precision.ofRuntime) else {
      throw BertError(
        .unsupported, "the file holds no \(precision.rawValue) weights", file: served.file.path,
        remedy: .storeBothPrecisions)
    }
    do throws(BertError) {
      weights = try SharedWeights(source: served.file, precision: precision.ofRuntime)
    } catch {
      throw error.inFile(served.file.path)
    }
    ForkGeneration.watch()
  }

  deinit {
    guard let last = engineOfThisProcess else { return }
    last.takeUnretainedValue().end()
    last.release()
  }

  /// The arithmetic that the model computes with.
  public let precision: ModelOptions.Precision
  /// What identifies the model's vectors: only vectors of equal fingerprints may be compared.
  public var fingerprint: String { served.fingerprint(precision.ofRuntime) ?? "" }
  /// What identifies what the model's heads answer, such as labels and scores; nil where it has none.
  public var headFingerprint: String? {
    let prints = served.file.fingerprints
    return precision == .int8 ? prints.int8Answers : prints.floatAnswers
  }
  /// The numbers of a vector.
  public var dimensions: Int {
    recipe.width(hiddenSize: served.description.configuration.hiddenSize)
  }
  /// The most tokens of a text, the special ones included.
  public var tokenLimit: Int { served.tokenLimit }
  /// What stands before every text whose embedding is asked for, unless that says otherwise.
  package var defaultPrompt: TextPrompt? {
    served.description.defaultPromptText.map { .text($0) }
  }
  /// Threads that compute.
  public var threads: Int { options.threads ?? CpuShare.threads }

  var truncates: Bool { options.truncates }
}

// MARK: Asking

extension Model {
  /// Tokenizes texts and submits what is right of them.
  private func submit<Reader: AnswerReader>(
    _ inputs: [some ModelInput], _ reader: Reader, _ request: RequestOptions,
    _ call: Call<Reader.Answer>
  ) -> LaneEngine? {
    submit(
      inputs.map { input in
        Result { () throws(BertError) in
          var text = input.textInput
          if reader.hasDefaultPrompt { text.standBehind(defaultPrompt) }
          return PreparedText(try tokenize(text))
        }
      }, reader, request, call)
  }

  /// Submits texts that are tokens, but for those that are not.
  private func submit<Reader: AnswerReader>(
    _ inputs: [Result<PreparedText, BertError>], _ reader: Reader, _ request: RequestOptions,
    _ call: Call<Reader.Answer>
  ) -> LaneEngine? {
    var questions: [(index: Int, question: Question)] = []
    var failures: [(index: Int, error: BertError)] = []
    for (index, input) in inputs.enumerated() {
      do throws(BertError) {
        let text = try input.get()
        questions.append(
          (
            index,
            Question(
              task: reader.task, ids: text.ids, types: text.types, rows: text.rows,
              promptTokens: text.promptTokens, unseen: text.unseen)
          ))
      } catch {
        failures.append((index, error))
      }
    }
    do throws(BertError) {
      let engine = try presentEngine()
      engine.fail(failures, of: call)
      engine.submit(questions, for: call, reader: reader, request)
      return engine
    } catch {
      var resumptions = Resumptions()
      for index in inputs.indices { call.deliver(.failure(error), at: index, &resumptions) }
      resumptions.run()
      return nil
    }
  }

  /// Answers for texts; blocks until all are there.
  func answerEach<Reader: AnswerReader>(
    _ inputs: [some ModelInput], _ reader: Reader, _ request: RequestOptions
  ) -> [Result<Reader.Answer, BertError>] {
    if inputs.isEmpty { return [] }
    let call = Call<Reader.Answer>(count: inputs.count)
    return wait(call, request) { submit(inputs, reader, request, call) }
  }

  /// Blocks until what is submitted is answered, or the call is cancelled.
  private func wait<Answer>(
    _ call: Call<Answer>, _ request: RequestOptions, submitting: () -> LaneEngine?
  ) -> [Result<Answer, BertError>] {
    if request.cancellation?.wasCancelled == true { return call.results }
    guard let engine = submitting() else { return call.results }
    guard let cancellation = request.cancellation else { return engine.wait(call) }
    return cancellation.during(end: { engine.cancel(call) }) { engine.wait(call) }
  }

  /// The same where the model may not have what reads the answers: then each text fails for that.
  func answerEach<Reader: AnswerReader>(
    _ inputs: [some ModelInput], _ reader: Result<Reader, BertError>, _ request: RequestOptions
  ) -> [Result<Reader.Answer, BertError>] {
    switch reader {
    case .success(let reader): answerEach(inputs, reader, request)
    case .failure(let error): inputs.map { _ in .failure(error) }
    }
  }

  /// The same where the model may not have what reads the answers: then each text fails for that.
  func answerEach<Reader: AnswerReader>(
    _ inputs: [some ModelInput], _ reader: Result<Reader, BertError>, _ request: RequestOptions
  ) async -> [Result<Reader.Answer, BertError>] {
    switch reader {
    case .success(let reader): await answerEach(inputs, reader, request)
    case .failure(let error): inputs.map { _ in .failure(error) }
    }
  }

  /// Answers for texts; a cancelled task takes those away that wait.
  func answerEach<Reader: AnswerReader>(
    _ inputs: [some ModelInput], _ reader: Reader, _ request: RequestOptions
  ) async -> [Result<Reader.Answer, BertError>] {
    if inputs.isEmpty { return [] }
    let call = Call<Reader.Answer>(count: inputs.count)
    return await wait(call, inputs.count) { submit(inputs, reader, request, call) }
  }
}

extension Model {
  /// Submits a call and suspends until its texts are answered; a cancelled task takes those away that wait.
  private func wait<Answer>(
    _ call: Call<Answer>, _ count: Int, _ submit: () -> LaneEngine?
  ) async -> [Result<Answer, BertError>] {
    let engine: LaneEngine
    do throws(BertError) { engine = try presentEngine() } catch {
      return (0..<count).map { _ in .failure(error) }
    }
    return await withTaskCancellationHandler {
      _ = submit()
      return await engine.wait(call)
    } onCancel: {
      engine.cancel(call)
    }
  }
}

/// The answers, or the first text's error that has one.
func firstError<Answer>(
  _ results: [Result<Answer, BertError>]
) throws(BertError) -> [Answer] {
  var answers: [Answer] = []
  answers.reserveCapacity(results.count)
  for (index, result) in results.enumerated() {
    do throws(BertError) {
      answers.append(try result.get())
    } catch {
      var error = error
      if results.count > 1 { error.message = "text \(index + 1): " + error.message }
      throw error
    }
  }
  return answers
}

extension Model {
  /// Answers for texts that are tokens; blocks until all are there.
  func answerEach<Reader: AnswerReader>(
    prepared inputs: [Result<PreparedText, BertError>], _ reader: Reader, _ request: RequestOptions
  ) -> [Result<Reader.Answer, BertError>] {
    if inputs.isEmpty { return [] }
    let call = Call<Reader.Answer>(count: inputs.count)
    return wait(call, request) { submit(inputs, reader, request, call) }
  }

  /// Answers for texts that are tokens; a cancelled task takes those away that wait.
  func answerEach<Reader: AnswerReader>(
    prepared inputs: [Result<PreparedText, BertError>], _ reader: Reader, _ request: RequestOptions
  ) async -> [Result<Reader.Answer, BertError>] {
    if inputs.isEmpty { return [] }
    let call = Call<Reader.Answer>(count: inputs.count)
    return await wait(call, inputs.count) { submit(inputs, reader, request, call) }
  }
}

// MARK: The engine of this process

extension Model {
  /// What the model has to do now.
  public var load: ModelLoad {
    engineOfThisProcess.map { $0.takeUnretainedValue().load } ?? ModelLoad()
  }

  private var engineOfThisProcess: Unmanaged<LaneEngine>? {
    let word = engine.load(ordering: .acquiring)
    guard let pointer = UnsafeRawPointer(bitPattern: word) else { return nil }
    let found = Unmanaged<LaneEngine>.fromOpaque(pointer)
    return found._withUnsafeGuaranteedRef { $0.generation == ForkGeneration.current }
      ? found : nil
  }

  /// The engine of this process, made if there is none.
  ///
  /// No lock: a thread that was about to make one may be missing in a forked child.
  private func presentEngine() throws(BertError) -> LaneEngine {
    while true {
      if let found = engineOfThisProcess { return found.takeUnretainedValue() }
      let before = engine.load(ordering: .acquiring)
      let made = Unmanaged.passRetained(try makeEngine())
      let word = UInt(bitPattern: made.toOpaque())
      if engine.compareExchange(
        expected: before, desired: word, ordering: .acquiringAndReleasing
      ).exchanged {
        return made.takeUnretainedValue()
      }
      made.takeUnretainedValue().end()
      made.release()
    }
  }

  private func makeEngine() throws(BertError) -> LaneEngine {
    var settings = LaneSettings(lanes: threads)
    let share = options.tokenBudget.map { max(1, $0 / threads) } ?? .max
    settings.passTokens = min(weights.passTokens, share)
    settings.interactivePassTokens = min(Self.interactiveTokens, share)
    settings.shortPassTokens = min(Self.blockTokens, share)
    settings.gangTokens = Self.gangTokens
    return try LaneEngine(
      weights: weights, kernels: kernels, settings: settings,
      curve: CostCurve(weights.configuration, isInt8: precision == .int8),
      cacheBytes: options.cacheBytes)
  }

  /// Tokens of waiting queries that are computed together: weights are read, and widened where a CPU has
  /// no products of bytes, once for all of them.
  private static let interactiveTokens = 128
  /// Tokens that fill a block of the kernels' rows.
  private static let blockTokens = 48
  /// Tokens of a text for each core that computes it with others: below, they wait more than they work.
  private static let gangTokens = 16
}

extension ModelOptions.Precision {
  package var ofRuntime: BertRuntime.Precision { self == .int8 ? .int8 : .float32 }
}
