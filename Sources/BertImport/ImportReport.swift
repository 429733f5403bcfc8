import JSONText

/// What became of every tensor of a checkpoint, and what else a user should know.
public struct ImportReport: Sendable {
  /// A canonical tensor and the published tensors it is made of.
  public struct Mapped: Sendable, Equatable {
    /// The canonical name.
    public let canonical: String
    /// The published names, in the order in which they are joined.
    public let published: [String]
    /// The canonical shape.
    public let shape: [Int]
    /// The element types of the published tensors, each once.
    public let elementTypes: [String]
    /// Whether the published matrix is stored `[in, out]`.
    public let isTransposed: Bool
  }

  /// A published tensor that is passed over.
  public struct Ignored: Sendable, Equatable {
    /// The published name.
    public let name: String
    /// Why.
    public let reason: String
    /// The file that holds it.
    public let file: String
  }

  /// A published tensor that nothing explains.
  public struct Unknown: Sendable, Equatable {
    /// The published name.
    public let name: String
    /// Its shape.
    public let shape: [Int]
    /// The file that holds it.
    public let file: String
  }

  /// A tensor that the model needs and the checkpoint does not have.
  public struct Missing: Sendable, Equatable {
    /// The canonical name.
    public let canonical: String
    /// The published name that was looked for.
    public let published: String
  }

  /// The checkpoint that was read.
  public var source = ""
  /// Tensors that are used, in canonical order.
  public var mapped: [Mapped] = []
  /// Tensors that are not needed.
  public var ignored: [Ignored] = []
  /// Tensors that nothing explains: an import with one fails.
  public var unknown: [Unknown] = []
  /// Tensors that are not there: an import with one fails.
  public var missing: [Missing] = []
  /// Everything that makes the import fail, one sentence each.
  public var problems: [String] = []
  /// Choices and oddities that do not make it fail.
  public var notices: [String] = []

  /// An empty report.
  public init() {}

  /// The report as an object with the members source, mapped, ignored, unknown, missing, problems
  /// and notices.
  public var json: JSON {
    func list<Element>(_ elements: [Element], _ object: (Element) -> JSON) -> JSON {
      .array(elements.map(object))
    }
    func texts(_ strings: [String]) -> JSON { list(strings) { .string($0) } }
    func sizes(_ shape: [Int]) -> JSON { list(shape) { .integer($0) } }
    return [
      "source": .string(source),
      "mapped": list(mapped) {
        [
          "name": .string($0.canonical), "from": texts($0.published), "shape": sizes($0.shape),
          "types": texts($0.elementTypes), "transposed": .bool($0.isTransposed),
        ]
      },
      "ignored": list(ignored) {
        ["name": .string($0.name), "reason": .string($0.reason), "file": .string($0.file)]
      },
      "unknown": list(unknown) {
        ["name": .string($0.name), "shape": sizes($0.shape), "file": .string($0.file)]
      },
      "missing": list(missing) {
        ["name": .string($0.canonical), "from": .string($0.published)]
      },
      "problems": texts(problems),
      "notices": texts(notices),
    ]
  }
}
