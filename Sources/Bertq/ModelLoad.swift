/// What a model has to do at a moment, and what its cache has been worth.
///
///     print(model.load.waitingTexts, model.load.cacheHits)
public struct ModelLoad: Sendable, Equatable {
  /// Texts that wait.
  public var waitingTexts = 0
  /// Predicted seconds of one thread for the waiting texts that somebody waits for.
  public var interactiveSeconds = 0.0
  /// The same for the waiting texts of bulk calls.
  public var bulkSeconds = 0.0
  /// Threads that compute.
  public var busyThreads = 0
  /// Texts that were not computed because nobody waited for them any more, since the model was opened.
  public var cancelledTexts = 0
  /// Texts that were not computed because their deadline passed while they waited.
  public var lateTexts = 0
  /// Bytes of answers kept.
  public var cacheBytes = 0
  /// Texts whose answer was kept.
  public var cacheHits = 0
  /// Texts that were looked for in vain.
  public var cacheMisses = 0
  /// Answers that were forgotten for others.
  public var cacheEvictions = 0

  /// A model that has nothing to do and whose cache is empty.
  public init() {}
}
