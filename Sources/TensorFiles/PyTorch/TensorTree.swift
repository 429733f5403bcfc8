import BertErrors

/// The tensors of a pickle by name: nested dictionaries and lists are joined with dots.
///
/// `{"model": {"weight": t}}` holds `model.weight`. What is no tensor (an epoch, a learning rate)
/// is noted as passed over.
struct TensorTree {
  /// Names with numbers of the graph's tensors, in order; of a key given twice the last counts.
  private(set) var tensors: [(name: String, tensor: Int)] = []
  /// What is no tensor, each with the words for what it is.
  private(set) var others: [(name: String, what: String)] = []

  private let graph: PickleGraph
  private var visits = 0
  private var names = Set<[UInt8]>()

  init(_ graph: PickleGraph) throws(BertError) {
    self.graph = graph
    try visit(graph.root, [], depth: 0)
  }

  private mutating func visit(
    _ value: PickleGraph.Value, _ path: [UInt8], depth: Int
  ) throws(BertError) {
    switch value {
    case .tensor(let number):
      let name = path.isEmpty ? Array("tensor".utf8) : path
      guard names.insert(name).inserted else {
        throw BertError(
          .malformed, "occurs twice in the pickle", tensor: String(decoding: name, as: UTF8.self))
      }
      tensors.append((String(decoding: name, as: UTF8.self), number))
      if tensors.count > FileLimits.tensors { throw Self.tooMuch }
    case .container(let number):
      visits += 1
      if visits > FileLimits.pickleVisits || depth > FileLimits.pickleDepth { throw Self.tooMuch }
      let container = graph.containers[number]
      if container.kind == .dictionary {
        try visitMembers(of: container, path, depth)
      } else {
        for (place, item) in container.items.enumerated() where Self.canHoldTensors(item) {
          try visit(item, joined(path, String(place)), depth: depth + 1)
        }
      }
    default:
      others.append((String(decoding: path, as: UTF8.self), Self.noun(value)))
      if others.count > FileLimits.tensors { throw Self.tooMuch }
    }
  }

  private mutating func visitMembers(
    of dictionary: PickleGraph.Container, _ path: [UInt8], _ depth: Int
  ) throws(BertError) {
    var last: [String: Int] = [:]
    var keys: [String] = []
    for place in stride(from: 0, to: dictionary.items.count, by: 2) {
      let key = try Self.key(dictionary.items[place])
      keys.append(key)
      last[key] = place
    }
    visits += keys.count
    if visits > FileLimits.pickleVisits { throw Self.tooMuch }
    for (place, key) in keys.enumerated() where last[key] == 2 * place {
      try visit(dictionary.items[2 * place + 1], joined(path, key), depth: depth + 1)
    }
  }

  private func joined(_ path: [UInt8], _ name: String) throws(BertError) -> [UInt8] {
    let name = path.isEmpty ? Array(name.utf8) : path + [UInt8(ascii: ".")] + name.utf8
    if name.count > FileLimits.tensorName {
      throw BertError(
        .malformed, "the pickle holds a name of more than \(FileLimits.tensorName) bytes")
    }
    return name
  }

  private static let tooMuch = BertError(
    .malformed, "the pickle nests or repeats more than a checkpoint can need")

  private static func key(_ value: PickleGraph.Value) throws(BertError) -> String {
    switch value {
    case .text(let text): return text
    case .integer(let number): return String(number)
    case .bool(let value): return value ? "True" : "False"
    case .none: return "None"
    default:
      throw BertError(
        .unsupported,
        "the pickle holds a dictionary whose keys are \(noun(value)); texts and whole numbers are read"
      )
    }
  }

  private static func canHoldTensors(_ value: PickleGraph.Value) -> Bool {
    switch value {
    case .tensor, .container: true
    default: false
    }
  }

  private static func noun(_ value: PickleGraph.Value) -> String {
    switch value {
    case .none: "None"
    case .bool: "a truth value"
    case .integer, .wideInteger, .real: "a number"
    case .text: "a text"
    case .bytes: "bytes"
    case .storage: "a storage without a tensor"
    case .container, .tensor, .global, .other: "an object"
    }
  }
}
