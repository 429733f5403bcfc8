import JSONText
import NIOHTTP1
import ServeShapes

/// One thing that can be asked.
struct Route: Sendable {
  /// The method, and the path; a last `{}` stands for one name.
  let method: HTTPMethod
  let path: String
  /// Whose interface it speaks.
  let dialect: Dialect
  /// Whether it is answered without a key.
  var isOpen = false
  /// Whether little is to do beside the model's computation: a short request is answered where all others are read.
  ///
  /// What is made of a text's tokens, as words for a mask, may take longer than the computation.
  var isShort = false
  let answer: @Sendable (Call) async throws -> Reply

  init(
    _ method: HTTPMethod, _ path: String, _ dialect: Dialect = .openAI,
    isOpen: Bool = false, isShort: Bool = false,
    _ answer: @escaping @Sendable (Call) async throws -> Reply
  ) {
    self.method = method
    self.path = path
    self.dialect = dialect
    self.isOpen = isOpen
    self.isShort = isShort || method == .GET
    self.answer = answer
  }
}

/// All routes, found by method and path.
struct RouteTable: Sendable {
  /// What a path leads to.
  enum Found {
    case route(Route, parameter: String?)
    /// The path is there, for other methods.
    case otherMethods([String], Dialect)
    case nothing
  }

  /// What this server answers.
  static let ours = RouteTable(
    EmbeddingRoutes.all + TokenRoutes.all + HeadRoutes.all + OwnRoutes.all + InfoRoutes.all)

  private var byPath: [String: [Route]] = [:]
  let all: [Route]

  init(_ routes: [Route]) {
    all = routes
    for route in routes { byPath[route.path, default: []].append(route) }
  }

  func find(_ method: HTTPMethod, _ path: String) -> Found {
    let path = Self.trimmed(path)
    if let routes = byPath[String(path)] { return choose(routes, method, nil) }
    if let slash = path.lastIndex(of: "/") {
      let name = path[path.index(after: slash)...]
      if !name.isEmpty, let routes = byPath[path[...slash] + "{}"] {
        return choose(routes, method, name.percentDecoded)
      }
    }
    return .nothing
  }

  /// Without slashes at its end.
  ///
  /// A path may be thousands of them; counting its letters for each would take seconds.
  private static func trimmed(_ path: String) -> Substring {
    let slash = UInt8(ascii: "/")
    guard let last = path.utf8.lastIndex(where: { $0 != slash }) else { return path.prefix(1) }
    return path[...last]
  }

  private func choose(
    _ routes: [Route], _ method: HTTPMethod, _ parameter: String?
  ) -> Found {
    let wanted = method == .HEAD ? .GET : method
    if let route = routes.first(where: { $0.method == wanted }) {
      return .route(route, parameter: parameter)
    }
    return .otherMethods(routes.map(\.method.rawValue), routes[0].dialect)
  }
}

extension StringProtocol {
  /// What `%2D` and the like stand for; as it is where that is no text.
  package var percentDecoded: String {
    var bytes: [UInt8] = []
    var rest = utf8[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(2).compactMap { Character(UnicodeScalar($0)).hexDigitValue }
      if byte == UInt8(ascii: "%"), digits.count == 2 {
        bytes.append(UInt8(digits[0] << 4 | digits[1]))
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self) ?? String(self)
  }
}
