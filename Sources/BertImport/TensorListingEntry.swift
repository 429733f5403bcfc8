import BertErrors
import ByteFiles
import JSONText
import TensorFiles

/// A published tensor for the report: what it is, and what its values are.
package struct TensorListingEntry: Sendable {
  private let info: TensorInfo
  private let statistics: TensorStatistics?
  /// Why its values are not known; nil where they are.
  private let problem: String?

  /// Reads the tensor if nobody did.
  init(_ info: TensorInfo, of checkpoint: Checkpoint) {
    self.info = info
    var problem: String?
    if checkpoint.statistics[info.name] == nil {
      do throws(BertError) {
        _ = try checkpoint.readFloat32(info.name)
      } catch {
        problem = error.message
      }
    }
    statistics = checkpoint.statistics[info.name]
    self.problem = problem
  }

  /// Name, file, element type and shape; the least and the largest finite value, and how many are not finite.
  package var json: JSON {
    func number(_ value: Float?) -> JSON { value.map { .number(Double($0)) } ?? .null }
    var members: [(String, JSON)] = [
      ("name", .string(info.name)), ("file", .string(Folder.name(of: info.file))),
      ("type", .string(info.type.rawValue)), ("shape", .array(info.shape.map { .integer($0) })),
      ("min", number(statistics?.minimum)), ("max", number(statistics?.maximum)),
      ("non_finite", statistics.map { .integer($0.nonFinite) } ?? .null),
    ]
    if let problem { members.append(("problem", .string(problem))) }
    return .object(JSONObject(members))
  }
}
