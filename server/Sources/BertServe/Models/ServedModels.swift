import Bertq
import ServeShapes
import Synchronization

/// A model under a name.
package struct NamedModel: Sendable {
  package let name: String
  package let path: String
  package let model: Model
  /// Seconds since 1970.
  package let opened: Int

  package init(name: String, path: String, options: ModelOptions) throws(BertError) {
    self.name = name
    self.path = path
    model = try Model(path: path, options: options)
    opened = Clocks.unixSeconds
  }
}

extension NamedModel {
  /// What a client asks for: each has a fingerprint of its own.
  package enum AnswerKind: Sendable { case vectors, head }

  /// What identifies answers of a kind.
  package func fingerprint(_ kind: AnswerKind) -> String {
    (kind == .head ? model.headFingerprint : nil) ?? model.fingerprint
  }
}

/// The models that are served; a reload puts others in their place.
package final class ServedModels: Sendable {
  /// A name and a file: `name=FILE`, or a file that gives its name.
  ///
  /// A name may hold slashes, as those of published models do, where no file is called like the whole.
  package struct Source: Sendable, Equatable {
    package let name: String
    package let path: String

    /// Reads an argument.
    package init(_ argument: String) {
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2, !parts[0].isEmpty,
        !parts[0].contains("/") || (!parts[0].hasPrefix("/") && !SmallFile.exists(argument))
      {
        name = String(parts[0])
        path = String(parts[1])
        return
      }
      path = argument
      let last = argument.split(separator: "/").last.map(String.init) ?? argument
      name = last.hasSuffix(".bertq") ? String(last.dropLast(6)) : last
    }
  }

  package let sources: [Source]
  private let options: ModelOptions
  private let isStrict: Bool
  private let models: Mutex<[NamedModel]>

  /// Opens all models.
  ///
  /// - Parameter isStrict: refuses names that are none of ours where there is one model.
  /// - Throws: the first file's error that cannot be served; `usage` for a name given twice.
  package init(
    _ sources: [Source], options: ModelOptions, isStrict: Bool
  ) throws(BertError) {
    for source in sources where source.name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
      throw BertError(
        .usage, "a model's name holds a control character, which no answer can carry")
    }
    for (index, source) in sources.enumerated()
    where sources[..<index].contains(where: { $0.name == source.name }) {
      throw BertError(
        .usage, "two models are called '\(source.name)'; give one another name: name=FILE")
    }
    self.sources = sources
    self.options = options
    self.isStrict = isStrict
    models = Mutex(try Self.open(sources, options))
  }

  private static func open(
    _ sources: [Source], _ options: ModelOptions
  ) throws(BertError) -> [NamedModel] {
    var models: [NamedModel] = []
    for source in sources {
      models.append(
        try NamedModel(name: source.name, path: source.path, options: options))
    }
    return models
  }

  /// All models.
  package var all: [NamedModel] { models.withLock { $0 } }

  /// Verifies all files and opens them again; what is being answered is answered by the models that it began with.
  ///
  /// - Returns: what files have against it; their models stay as they are.
  package func reload() -> [BertError] {
    var failures: [BertError] = []
    for (index, source) in sources.enumerated() {
      do throws(BertError) {
        // Some weights are looked at only when they are needed, and the model that is there is whole.
        try Model.verify(path: source.path)
        let fresh = try NamedModel(name: source.name, path: source.path, options: options)
        models.withLock { $0[index] = fresh }
      } catch {
        failures.append(error)
      }
    }
    return failures
  }

  /// The model that a client means.
  ///
  /// - Throws: `unknownModel`, with the names that there are.
  package func find(_ name: String?) throws(ServeError) -> NamedModel {
    let all = all
    if let name, let found = all.first(where: { $0.name == name || "\($0.name):latest" == name }) {
      return found
    }
    // Clients send names of their own whatever is served.
    if let only = all.first, name == nil || (all.count == 1 && !isStrict) {
      if all.count == 1 { return only }
      throw ServeError(.invalidRequest, "'model' is missing; \(names(all))", place: "model")
    }
    throw ServeError(
      .unknownModel, "no model is called '\(name?.prefix(80) ?? "")'; \(names(all))", place: "model"
    )
  }

  private func names(_ all: [NamedModel]) -> String {
    "there are " + all.map { "'\($0.name)'" }.joined(separator: ", ")
  }
}
