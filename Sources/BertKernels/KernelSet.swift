import BertErrors
@_exported import CBertKernels
import SystemLibrary

/// The kernels of one instruction set; one exists only if this CPU can run it.
package struct KernelSet: @unchecked Sendable {
  /// The C table: immutable, in static memory.
  package let table: UnsafePointer<bk_kernels>

  /// Its name, as `BERTQ_KERNELS` takes it.
  package var name: String { String(cString: table.pointee.name) }

  /// The calls of the table.
  @inlinable package var calls: bk_kernels { table.pointee }

  /// The environment variable that forces a set.
  package static let variable = "BERTQ_KERNELS"

  /// What is known of one set on this machine.
  package struct Listing: Sendable {
    /// Its name.
    package let name: String
    /// The CPU features it needs.
    package let requires: String
    /// The set itself, when this CPU can run it.
    package let set: KernelSet?
    /// Why it cannot.
    package let obstacle: String?
  }

  /// All sets, best first, those of other architectures included.
  package static let all: [Listing] = {
    var list: [Listing] = []
    var index: Int32 = 0
    while let table = bk_kernels_at(index) {
      let obstacle = bk_kernels_obstacle(index).map { String(cString: $0) }
      list.append(
        Listing(
          name: String(cString: table.pointee.name),
          requires: String(cString: table.pointee.requires),
          set: obstacle == nil ? KernelSet(table: table) : nil, obstacle: obstacle))
      index += 1
    }
    return list
  }()

  /// The sets that this CPU can run, best first.
  package static var available: [KernelSet] { all.compactMap(\.set) }

  /// The best set, or the one that `name` or the environment asks for.
  ///
  /// - Throws: `usage` for a name nobody has, `unsupported` for a set this CPU cannot run.
  package static func choose(_ name: String? = nil) throws(BertError) -> KernelSet {
    // An empty variable is one that is not set.
    guard let wanted = name ?? environment(variable).flatMap({ $0.isEmpty ? nil : $0 }) else {
      guard let best = available.first else {
        throw BertError(.unsupported, "no kernel set can run on this CPU")
      }
      return best
    }
    guard let listing = all.first(where: { $0.name == wanted }) else {
      let names = all.map(\.name).joined(separator: ", ")
      throw BertError(.usage, "no kernel set is called '\(wanted)'; there are: \(names)")
    }
    guard let set = listing.set else {
      throw BertError(
        .unsupported,
        "the kernel set '\(wanted)' cannot run here: \(listing.obstacle ?? "unknown"); "
          + "it needs \(listing.requires)")
    }
    return set
  }
}
