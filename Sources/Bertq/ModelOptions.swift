import BertKernels

/// How a model computes.
///
/// No bit of an answer depends on anything but `precision`, and `truncates`.
///
///     var options = ModelOptions()
///     options.threads = 4
///     let model = try Model(path: "model.bertq", options: options)
public struct ModelOptions: Sendable {
  /// An arithmetic that a file holds weights for.
  public enum Precision: String, Sendable, CaseIterable {
    /// float32 throughout: the reference.
    case float32 = "float"
    /// int8 products, float32 between them.
    case int8
  }

  /// The arithmetic; nil for int8 where the file has it, else float32.
  public var precision: Precision?
  /// Threads that compute, from 1 to 256; nil for this process's share of the cores.
  public var threads: Int?
  /// The name of a kernel set, as `bert-run --cpu` lists them; nil for the best that this CPU runs.
  public var kernels: String?
  /// The most tokens computed at once by all threads, which bounds memory; a longer text is computed alone.
  public var tokenBudget: Int?
  /// Numbers of an embedding; nil for what the file says.
  ///
  /// They are the first of the whole vector, as they are: not scaled to length 1 again.
  public var dimensions: Int?
  /// Cuts texts that are too long; otherwise they are errors.
  public var truncates = false
  /// Bytes of answers kept for texts that come again; 0 keeps none.
  public var cacheBytes = 0

  /// The defaults.
  public init() {}

  /// As many threads as whole cores are this process's share: no quota of processor time ever stops one of them,
  /// so that no answer waits for the next period.
  public static var wholeCores: Int { CpuShare.own.threads(.down) }
}
