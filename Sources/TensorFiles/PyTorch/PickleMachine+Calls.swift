import BertErrors

/// What the known names make of their arguments: dictionaries, storages and tensors.
extension PickleMachine {
  /// What one of the known functions makes of its arguments.
  mutating func call(
    _ function: PickleGraph.Value, _ arguments: PickleGraph.Value, at place: Int
  ) throws(BertError) -> PickleGraph.Value {
    guard case .global(let global) = function else {
      throw BertError(
        .unsupported, "the pickle calls something that is no function; " + Self.advice,
        byteOffset: place)
    }
    guard case .container(let number) = arguments, graph.containers[number].kind == .tuple else {
      throw reader.damaged("the pickle calls a function without a tuple of arguments", at: place)
    }
    let items = graph.containers[number].items
    switch global {
    case .orderedDictionary: return try orderedDictionary(items, at: place)
    case .rebuildTensor: return try tensor(items, isTyped: false, at: place)
    case .rebuildTypedTensor: return try tensor(items, isTyped: true, at: place)
    case .rebuildParameter:
      guard case .tensor? = items.first else {
        throw reader.damaged(
          "the pickle makes a parameter of something that is no tensor", at: place)
      }
      return items[0]
    case .size:
      guard items.count == 1, graph.sizes(items[0]) != nil else {
        throw reader.damaged("the pickle makes a size of something that is none", at: place)
      }
      return items[0]
    case .device: return .other
    case .storage, .elementType:
      throw reader.damaged("the pickle calls an element type as if it were a function", at: place)
    }
  }

  /// `OrderedDict()` or, from old Pythons, `OrderedDict([[key, value], ...])`.
  private mutating func orderedDictionary(
    _ arguments: [PickleGraph.Value], at place: Int
  ) throws(BertError) -> PickleGraph.Value {
    var items: [PickleGraph.Value] = []
    if let argument = arguments.first {
      guard arguments.count == 1, let pairs = graph.sequence(argument) else {
        throw reader.damaged("the pickle makes a dictionary of something that is none", at: place)
      }
      for pair in pairs {
        guard let pair = graph.sequence(pair), pair.count == 2 else {
          throw reader.damaged("the pickle makes a dictionary of something that is none", at: place)
        }
        items += pair
      }
    }
    return try make(.dictionary, items)
  }

  /// The storage that a persistent id names: `("storage", type, key, device, count)`, in old files
  /// with `(view key, offset, count)` or None behind.
  mutating func storage(
    _ id: PickleGraph.Value, at place: Int
  ) throws(BertError) -> PickleGraph.Value {
    guard let parts = graph.sequence(id), parts.count == 5 || parts.count == 6,
      case .text("storage") = parts[0], case .global(.storage(let type)) = parts[1],
      case .text(let key) = parts[2], case .integer(let count) = parts[4], count >= 0
    else {
      throw BertError(
        .unsupported, "the pickle names something outside it that is no storage of a tensor",
        byteOffset: place)
    }
    var view = 0..<count
    if parts.count == 6, let limits = graph.sequence(parts[5]) {
      guard limits.count == 3, case .integer(let offset) = limits[1],
        case .integer(let length) = limits[2], offset >= 0, length >= 0, offset <= count,
        length <= count - offset
      else { throw reader.damaged("a view of storage '\(key.prefix(80))' leaves it", at: place) }
      view = offset..<(offset + length)
    }
    if graph.storages.count >= FileLimits.pickleObjects { throw tooMuch("storages") }
    graph.storages.append(.init(type: type, key: key, count: count, view: view))
    return .storage(graph.storages.count - 1)
  }

  /// `(storage, offset, sizes, strides, needs gradient, hooks, type or metadata, ...)`.
  private mutating func tensor(
    _ arguments: [PickleGraph.Value], isTyped: Bool, at place: Int
  ) throws(BertError) -> PickleGraph.Value {
    guard arguments.count >= (isTyped ? 7 : 4), arguments.count <= 8,
      case .storage(let storage) = arguments[0], case .integer(let offset) = arguments[1],
      let shape = graph.sizes(arguments[2]), let strides = graph.sizes(arguments[3]),
      shape.count == strides.count, offset >= 0
    else { throw reader.damaged("the pickle makes a tensor of something that is none", at: place) }
    var type = graph.storages[storage].type
    if isTyped {
      guard case .global(.elementType(let named)) = arguments[6] else {
        throw reader.damaged("the pickle makes a tensor of an unknown element type", at: place)
      }
      type = named
    }
    // Behind: marks such as "negated", which change what the elements mean.
    if case .container(let metadata)? = arguments.dropFirst(isTyped ? 7 : 6).first,
      !graph.containers[metadata].items.isEmpty
    {
      throw BertError(
        .unsupported, "a tensor is marked as conjugated or negated; " + Self.advice,
        byteOffset: place)
    }
    if graph.tensors.count >= FileLimits.pickleObjects { throw tooMuch("tensors") }
    graph.tensors.append(
      .init(storage: storage, type: type, offset: offset, shape: shape, strides: strides))
    return .tensor(graph.tensors.count - 1)
  }
}
