// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "bertq",
  products: [
    // MARK: Products
    .executable(name: "bert-convert", targets: ["bert-convert"]),
    .executable(name: "bert-run", targets: ["bert-run"]),
    .executable(name: "bert-bench", targets: ["bert-bench"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    // MARK: Swift modules, lowest first
    .target(name: "BertErrors"),
    .target(name: "JSONText", dependencies: ["BertErrors"]),
    .target(name: "OutputFiles", dependencies: ["BertErrors"]),
    .target(name: "BertModel", dependencies: ["BertErrors"]),
    .target(name: "TensorFiles", dependencies: ["BertErrors", "JSONText", "CZlib"]),
    .target(
      name: "BertImport", dependencies: ["BertErrors", "JSONText", "TensorFiles", "BertModel"]),
    .target(name: "BertTokenize", dependencies: ["BertErrors"]),
    .target(name: "BertKernels", dependencies: ["BertErrors", "CBertKernels"]),
    .target(name: "BertRuntime", dependencies: ["BertErrors", "BertModel", "BertKernels"]),
    .target(
      name: "BertQuantize",
      dependencies: ["BertErrors", "BertModel", "BertKernels", "BertRuntime"]),
    .target(
      name: "BertqFile",
      dependencies: [
        "BertErrors", "BertModel", "OutputFiles", "CBertqHeader", "CBertqChecksum",
      ]),
    .target(
      name: "BertDrift",
      dependencies: ["BertErrors", "JSONText", "BertModel", "BertKernels", "BertRuntime"]),
    .target(
      name: "BertEngine",
      dependencies: [
        "BertErrors", "BertModel", "BertTokenize", "BertKernels", "BertRuntime", "BertqFile",
      ]),
    .target(
      name: "CommandSupport",
      dependencies: [
        "BertErrors", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // MARK: Executables
    .executableTarget(
      name: "bert-convert",
      dependencies: [
        "BertEngine", "BertKernels", "BertRuntime", "JSONText", "BertErrors", "BertModel",
        "BertImport", "BertTokenize", "BertQuantize", "BertqFile", "CBertqChecksum",
        "CommandSupport", "OutputFiles",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "bert-run",
      dependencies: [
        "BertEngine", "BertErrors", "BertModel", "BertKernels", "BertRuntime", "BertqFile",
        "BertDrift", "JSONText", "CommandSupport", "OutputFiles",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "bert-bench",
      dependencies: [
        "BertEngine", "BertErrors", "BertModel", "BertKernels", "BertRuntime", "JSONText",
        "CommandSupport", "OutputFiles",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // MARK: Tests
    .target(
      name: "Fixtures",
      dependencies: [
        "BertErrors", "BertModel", "TensorFiles", "BertKernels", "BertRuntime", "BertQuantize",
        "BertEngine", "JSONText",
      ], path: "Tests/Fixtures", exclude: ["tiny"]),
    .testTarget(name: "BertModelTests", dependencies: ["BertErrors", "BertModel", "Fixtures"]),
    .testTarget(name: "JSONTextTests", dependencies: ["BertErrors", "JSONText", "Fixtures"]),
    .testTarget(
      name: "TensorFilesTests",
      dependencies: [
        "BertErrors", "TensorFiles", "JSONText", "Fixtures",
      ]),
    .testTarget(
      name: "BertImportTests",
      dependencies: [
        "BertErrors", "BertImport", "TensorFiles", "BertModel", "JSONText", "Fixtures",
      ]),
    .testTarget(
      name: "BertTokenizeTests",
      dependencies: [
        "BertErrors", "BertTokenize", "JSONText", "Fixtures",
      ]),
    .testTarget(
      name: "KernelTests",
      dependencies: [
        "BertErrors", "BertKernels", "CBertKernels", "Fixtures",
      ]),
    .testTarget(
      name: "ThreadTests", dependencies: ["BertErrors", "BertKernels", "ForkProbe", "Fixtures"]),
    // What tests start as a process of its own, to fork it.
    .executableTarget(name: "ForkProbe", dependencies: ["BertKernels"], path: "Tests/ForkProbe"),
    .testTarget(
      name: "BertqFileTests",
      dependencies: [
        "BertErrors", "BertqFile", "BertModel", "OutputFiles", "CBertqChecksum", "Fixtures",
      ]),
    .testTarget(
      name: "BertRuntimeTests",
      dependencies: [
        "BertErrors", "BertRuntime", "BertQuantize", "BertModel", "BertKernels", "Fixtures",
      ]),
    .testTarget(
      name: "BertQuantizeTests",
      dependencies: [
        "BertErrors", "BertQuantize", "BertRuntime", "BertModel", "BertKernels", "Fixtures",
      ]),
    .testTarget(
      name: "BertDriftTests",
      dependencies: [
        "BertErrors", "BertDrift", "BertRuntime", "BertModel", "BertKernels", "JSONText",
        "Fixtures",
      ]),
    .testTarget(
      name: "ParityTests",
      dependencies: [
        "BertErrors", "BertEngine", "BertModel", "BertKernels", "BertRuntime", "BertDrift",
        "BertqFile",
        "JSONText", "bert-convert", "Fixtures",
      ]),
    .testTarget(
      name: "HostileFileTests",
      dependencies: [
        "BertErrors", "TensorFiles", "BertqFile", "BertImport", "BertModel", "Fixtures",
      ]),
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "BertErrors", "BertModel", "BertqFile", "BertKernels", "bert-convert", "bert-run",
        "bert-bench",
        "JSONText",
        "Fixtures",
      ], exclude: ["Snapshots"]),

    // MARK: C modules
    .target(name: "CBertKernels"),
    .target(name: "CBertqHeader", dependencies: ["CProtobufC"]),
    .target(name: "CBertqChecksum"),

    // MARK: System libraries
    .systemLibrary(
      name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)
