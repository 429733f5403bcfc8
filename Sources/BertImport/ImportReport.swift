import JSONText

/// What became of every tensor of a checkpoint, and what else a user should know.
package struct ImportReport: Sendable {
  /// Every file that was read.
  package var files: Set<String> = []

  /// A canonical tensor and the published tensors it is made of.
  package struct Mapped: Sendable, Equatable {
    /// The canonical name.
    package let canonical: String
    /// The published names, in the order in which they are joined.
    package let published: [String]
    /// The canonical shape.
    package let shape: [Int]
    /// The element types of the published tensors, each once.
    package let elementTypes: [String]
    /// Whether the published matrix is stored `[in, out]`.
    package let isTransposed: Bool
  }

  /// A published tensor that is passed over.
  package struct Ignored: Sendable, Equatable {
    /// The published name.
    package let name: String
    /// Why.
    package let reason: String
    /// The file that holds it.
    package let file: String
  }

  /// A published tensor that nothing explains.
  package struct Unknown: Sendable, Equatable {
    /// The published name.
    package let name: String
    /// Its shape.
    package let shape: [Int]
    /// The file that holds it.
    package let file: String
  }

  /// A tensor that the model needs and the checkpoint does not have.
  package struct Missing: Sendable, Equatable {
    /// The canonical name.
    package let canonical: String
    /// The published name that was looked for.
    package let published: String
  }

  /// The checkpoint that was read.
  package var source = ""
  /// Tensors that are used, in canonical order.
  package var mapped: [Mapped] = []
  /// Tensors that are not needed.
  package var ignored: [Ignored] = []
  /// Tensors that nothing explains: an import with one fails.
  package var unknown: [Unknown] = []
  /// Tensors that are not there: an import with one fails.
  package var missing: [Missing] = []
  /// Everything that makes the import fail, one sentence each.
  package var problems: [String] = []
  /// Choices and oddities that do not make it fail.
  package var notices: [String] = []

  /// An empty report.
  package init() {}

  /// The report as an object with the members source, mapped, ignored, unknown, missing, problems
  /// and notices.
  package var json: JSON {
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
