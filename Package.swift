// swift-tools-version: 6.1
import PackageDescription

/// Only the programs parse a command line: who depends on the libraries switches this off and fetches nothing.
let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser",
  condition: .when(traits: ["Commands"]))

let package = Package(
  name: "bertq",
  products: [
    // MARK: Products
    .library(name: "Bertq", targets: ["Bertq"]),
    .library(name: "BertConvert", targets: ["BertConvert"]),
    .library(name: "JSONText", targets: ["JSONText"]),
    // Its file is made by tools/build-library, which links Swift in.
    .library(name: "BertqC", type: .dynamic, targets: ["BertqC"]),
    .executable(name: "bert-convert", targets: ["bert-convert"]),
    .executable(name: "bert-run", targets: ["bert-run"]),
    .executable(name: "bert-bench", targets: ["bert-bench"]),
  ],
  traits: [
    .trait(name: "Commands", description: "The programs bert-convert, bert-run and bert-bench."),
    .default(enabledTraits: ["Commands"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    // MARK: Swift modules, lowest first
    .target(name: "BertErrors"),
    .target(name: "SystemLibrary"),
    .target(name: "JSONText", dependencies: ["BertErrors"]),
    .target(name: "ByteFiles", dependencies: ["BertErrors", "SystemLibrary"]),
    .target(name: "BertModel", dependencies: ["BertErrors"]),
    .target(
      name: "TensorFiles",
      dependencies: [
        "BertErrors", "SystemLibrary", "ByteFiles", "JSONText", "CBertqChecksum", "CZlib",
      ]),
    .target(
      name: "BertImport",
      dependencies: [
        "BertErrors", "SystemLibrary", "ByteFiles", "JSONText", "BertModel", "TensorFiles",
      ]),
    .target(name: "BertTokenize", dependencies: ["BertErrors", "BertModel"]),
    .target(name: "BertKernels", dependencies: ["BertErrors", "SystemLibrary", "CBertKernels"]),
    .target(
      name: "BertRuntime",
      dependencies: ["BertErrors", "SystemLibrary", "BertModel", "BertKernels"]),
    .target(
      name: "BertQuantize", dependencies: ["BertErrors", "BertModel", "BertKernels", "BertRuntime"]),
    .target(
      name: "BertqFile",
      dependencies: [
        "BertErrors", "SystemLibrary", "ByteFiles", "BertModel", "CBertqHeader", "CBertqChecksum",
      ]),
    .target(
      name: "BertDrift",
      dependencies: [
        "BertErrors", "SystemLibrary", "JSONText", "BertModel", "BertKernels", "BertRuntime",
      ]),
    .target(
      name: "Bertq",
      dependencies: [
        "BertErrors", "SystemLibrary", "BertModel", "BertTokenize", "BertKernels", "BertRuntime",
        "BertqFile",
      ]),
    .target(name: "BertAnswers", dependencies: ["JSONText", "Bertq"]),
    .target(
      name: "CommandSupport",
      dependencies: [
        "BertErrors", "SystemLibrary", "ByteFiles", "JSONText", "BertModel", "BertKernels",
        "BertRuntime", "BertDrift", "Bertq", "BertAnswers", argumentParser,
      ]),
    .target(
      name: "BertConvert",
      dependencies: [
        "BertErrors", "SystemLibrary", "ByteFiles", "JSONText", "BertModel", "TensorFiles",
        "BertImport", "BertTokenize", "BertKernels", "BertRuntime", "BertQuantize", "BertqFile",
        "Bertq",
      ]),
    .target(
      name: "BertqC",
      dependencies: [
        "SystemLibrary", "JSONText", "BertModel", "BertKernels", "BertRuntime", "BertDrift",
        "Bertq",
        "BertAnswers", "BertConvert", "CBertq",
      ], exclude: ["exports.map"]),
    .target(
      name: "BertBench",
      dependencies: [
        "BertErrors", "SystemLibrary", "ByteFiles", "JSONText", "BertModel", "BertKernels",
        "BertRuntime", "Bertq", "CKernelCheck",
      ]),

    // MARK: Executables
    .executableTarget(
      name: "bert-convert",
      dependencies: [
        "BertErrors", "ByteFiles", "JSONText", "BertDrift", "BertConvert", "CommandSupport",
        argumentParser,
      ]),
    .executableTarget(
      name: "bert-run",
      dependencies: [
        "BertErrors", "SystemLibrary", "ByteFiles", "JSONText", "BertModel", "BertKernels",
        "BertRuntime", "BertqFile", "BertDrift", "Bertq", "CommandSupport", argumentParser,
      ]),
    .executableTarget(
      name: "bert-bench",
      dependencies: [
        "BertErrors", "BertModel", "BertKernels", "BertRuntime", "Bertq", "BertBench",
        "CommandSupport", argumentParser,
      ]),

    // MARK: Tests
    .target(
      name: "Fixtures",
      dependencies: [
        "BertErrors", "SystemLibrary", "BertModel", "TensorFiles", "BertKernels", "BertRuntime",
        "BertQuantize", "BertqFile", "Bertq",
      ], path: "Tests/Fixtures", exclude: ["tiny"]),
    .testTarget(name: "BertModelTests", dependencies: ["BertErrors", "BertModel"]),
    .testTarget(name: "JSONTextTests", dependencies: ["BertErrors", "JSONText", "Fixtures"]),
    .testTarget(
      name: "TensorFilesTests",
      dependencies: ["BertErrors", "SystemLibrary", "JSONText", "TensorFiles", "Fixtures"]),
    .testTarget(
      name: "BertImportTests",
      dependencies: [
        "BertErrors", "SystemLibrary", "JSONText", "BertModel", "BertImport", "Fixtures",
      ]),
    .testTarget(
      name: "BertTokenizeTests",
      dependencies: [
        "BertErrors", "JSONText", "BertModel", "BertImport", "BertTokenize", "Fixtures",
      ]),
    .testTarget(
      name: "KernelTests", dependencies: ["BertErrors", "SystemLibrary", "BertKernels", "Fixtures"]),
    .testTarget(
      name: "ThreadTests", dependencies: ["SystemLibrary", "BertKernels", "Fixtures", "ForkProbe"]),
    // What tests start as a process of its own, to fork it.
    .executableTarget(
      name: "ForkProbe", dependencies: ["BertKernels", "SystemLibrary"], path: "Tests/ForkProbe"),
    .testTarget(
      name: "BertqFileTests",
      dependencies: [
        "BertErrors", "SystemLibrary", "ByteFiles", "BertModel", "BertqFile", "CBertqChecksum",
        "Fixtures",
      ]),
    .testTarget(
      name: "BertRuntimeTests",
      dependencies: [
        "BertErrors", "SystemLibrary", "BertModel", "BertKernels", "BertRuntime", "BertQuantize",
        "Fixtures",
      ]),
    .testTarget(
      name: "BertQuantizeTests",
      dependencies: [
        "BertErrors", "SystemLibrary", "BertModel", "BertKernels", "BertRuntime", "BertQuantize",
        "Fixtures",
      ]),
    .testTarget(
      name: "BertDriftTests",
      dependencies: [
        "BertErrors", "SystemLibrary", "JSONText", "BertModel", "BertKernels", "BertRuntime",
        "BertDrift", "Fixtures",
      ]),
    .testTarget(
      name: "BertqTests",
      dependencies: [
        "BertErrors", "SystemLibrary", "JSONText", "BertModel", "BertTokenize", "BertKernels",
        "BertRuntime", "BertQuantize", "Bertq", "Fixtures", "LibraryProbe", "bert-run",
        "bert-convert",
      ]),
    // What tests start as a process of its own, to fork it.
    .executableTarget(
      name: "LibraryProbe", dependencies: ["BertErrors", "SystemLibrary", "Bertq"],
      path: "Tests/LibraryProbe"),
    .testTarget(
      name: "ParityTests",
      dependencies: [
        "BertErrors", "SystemLibrary", "JSONText", "BertModel", "BertImport", "BertKernels",
        "BertRuntime", "BertQuantize", "BertqFile", "BertDrift", "BertConvert", "Bertq", "Fixtures",
        "bert-convert",
      ]),
    .testTarget(
      name: "HostileFileTests",
      dependencies: [
        "BertErrors", "SystemLibrary", "TensorFiles", "BertImport", "BertqFile", "Fixtures",
      ]),
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "BertErrors", "SystemLibrary", "JSONText", "BertModel", "BertKernels", "BertqFile",
        "Fixtures", "bert-convert", "bert-run", "bert-bench",
      ], exclude: ["Snapshots"]),

    // MARK: C modules
    .target(name: "CBertKernels"),
    .target(name: "CKernelCheck", dependencies: ["CBertKernels"]),
    .target(name: "CBertqHeader", dependencies: ["CProtobufC"]),
    .target(name: "CBertqChecksum"),

    // MARK: System libraries
    .systemLibrary(
      name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(name: "CBertq", path: "include"),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)
