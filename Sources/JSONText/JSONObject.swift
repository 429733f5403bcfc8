/// The members of a JSON object, in order, each key once.
///
/// Keys are compared byte by byte. Small objects are searched one member after the other, which is
/// faster than hashing; beyond `indexThreshold` members a hash index is kept.
public struct JSONObject: Sendable {
  private var members: [(key: String, value: JSON)] = []
  private var index: [ExactKey: Int]?

  private static let indexThreshold = 12

  /// An object without members.
  public init() {}

  /// An object of these members; of equal keys the last value wins.
  public init(_ members: [(String, JSON)]) {
    for (key, value) in members { self[key] = value }
  }

  /// How many members there are.
  public var count: Int { members.count }
  /// Whether there is none.
  public var isEmpty: Bool { members.isEmpty }
  /// The keys in order.
  public var keys: [String] { members.map(\.key) }

  /// The value of `key`; setting an absent one appends it, setting nil removes it.
  public subscript(key: String) -> JSON? {
    get { position(of: key).map { members[$0].value } }
    set {
      switch (position(of: key), newValue) {
      case (let place?, let value?): members[place].value = value
      case (nil, let value?): append(key, value)
      case (let place?, nil):
        members.remove(at: place)
        rebuildIndex()
      case (nil, nil): break
      }
    }
  }

  /// Appends a member unless the key is there already; says whether it did.
  mutating func appendIfAbsent(_ key: String, _ value: JSON) -> Bool {
    if position(of: key) != nil { return false }
    append(key, value)
    return true
  }

  private mutating func append(_ key: String, _ value: JSON) {
    members.append((key, value))
    if index != nil {
      index?[ExactKey(key)] = members.count - 1
    } else if members.count > Self.indexThreshold {
      rebuildIndex()
    }
  }

  private mutating func rebuildIndex() {
    index = nil
    guard members.count > Self.indexThreshold else { return }
    var fresh = [ExactKey: Int](minimumCapacity: members.count * 2)
    for (place, member) in members.enumerated() { fresh[ExactKey(member.key)] = place }
    index = fresh
  }

  private func position(of key: String) -> Int? {
    if let index { return index[ExactKey(key)] }
    return members.firstIndex { $0.key.hasSameBytes(as: key) }
  }

  /// A string hashed and compared by its bytes.
  private struct ExactKey: Hashable {
    let text: String
    init(_ text: String) { self.text = text }
    static func == (a: ExactKey, b: ExactKey) -> Bool { a.text.hasSameBytes(as: b.text) }
    func hash(into hasher: inout Hasher) {
      var text = text
      text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
  }
}

extension JSONObject: RandomAccessCollection {
  /// The position of the first member.
  public var startIndex: Int { 0 }
  /// One past the last member.
  public var endIndex: Int { members.count }
  /// The member at a position.
  public subscript(position: Int) -> (key: String, value: JSON) { members[position] }
}

extension JSONObject: Equatable {
  /// Whether both have the same members, in whatever order.
  public static func == (a: JSONObject, b: JSONObject) -> Bool {
    a.count == b.count && a.members.allSatisfy { b[$0.key] == $0.value }
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  /// An object of these members; of equal keys the last value wins.
  public init(dictionaryLiteral elements: (String, JSON)...) { self.init(elements) }
}
