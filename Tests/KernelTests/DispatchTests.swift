import BertErrors
import BertKernels
import SystemLibrary
import Testing

@Suite struct DispatchTests {
  static var tables: [(name: String, index: Int32)] {
    var list: [(name: String, index: Int32)] = []
    while let table = bk_kernels_at(Int32(list.count)) {
      list.append((String(cString: table.pointee.name), Int32(list.count)))
    }
    return list
  }

  /// The features that the kernel reports, in its words.
  static func cpuFeatures() -> Set<String> {
    guard let file = fopen("/proc/cpuinfo", "r") else { return [] }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 8192)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(
        decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard text.hasPrefix("flags") || text.hasPrefix("Features") else { continue }
      return Set(text.split(whereSeparator: { $0.isWhitespace || $0 == ":" }).map(String.init))
    }
    return []
  }

  @Test func listsAllSetsBestFirst() {
    let names = [
      "avx512amx", "avx512vnni", "avxvnni", "avx2", "neon-i8mm", "neon-dot", "neon", "portable",
    ]
    #expect(Self.tables.map(\.name) == names)
    #expect(bk_kernels_at(Int32(names.count)) == nil)
    #expect(bk_kernels_at(-1) == nil)
  }

  @Test func saysWhyASetCannotRun() {
    for (name, index) in Self.tables {
      let obstacle = bk_kernels_obstacle(index).map { String(cString: $0) }
      print("kernel set \(name): \(obstacle ?? "runs")")
      #expect((bk_kernels_supported(index) != 0) == (obstacle == nil))
      #expect(obstacle?.isEmpty != true)
    }
    for index in [Int32.min, -1, Int32(Self.tables.count), .max] {
      #expect(bk_kernels_supported(index) == 0)
      #expect(bk_kernels_obstacle(index) != nil)
    }
  }

  @Test func everySetThatThisCpuHasRuns() {
    let features = Self.cpuFeatures()
    let ran = Set(KernelSet.available.map(\.name))
    #expect(ran.contains("portable"))
    let x86: [(name: String, needs: Set<String>)] = [
      ("avx2", ["avx", "avx2", "fma"]),
      ("avxvnni", ["avx", "avx2", "fma", "avx_vnni"]),
      (
        "avx512vnni",
        ["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"]
      ),
    ]
    // Linux shows a CPU's tiles even to a process that it does not let use them.
    if ran.contains("avx512amx") {
      #expect(features.isSuperset(of: ["avx512_vnni", "amx_tile", "amx_int8"]))
    }
    for (name, needs) in x86 {
      #expect(ran.contains(name) == needs.isSubset(of: features), "\(name)")
    }
    #expect(ran.contains("neon") == features.contains("asimd"))
    #expect(ran.contains("neon-dot") == features.contains("asimddp"))
    #expect(ran.contains("neon-i8mm") == features.isSuperset(of: ["asimddp", "i8mm"]))
  }

  @Test func namesOfOtherArchitecturesAreKnownButUnsupported() throws {
    for (name, index) in Self.tables {
      if bk_kernels_supported(index) != 0 {
        #expect(try KernelSet.choose(name).name == name)
      } else {
        #expect(throws: BertError(.unsupported, "")) { try KernelSet.choose(name) }
      }
    }
    #expect(throws: BertError(.usage, "")) { try KernelSet.choose("sse9") }
  }
}
