// swift-tools-version: 6.2
import PackageDescription

/// A package of its own, so that who uses the library resolves no network code.
let package = Package(
  name: "bert-serve",
  products: [
    .executable(name: "bert-serve", targets: ["bert-serve"])
  ],
  dependencies: [
    // Named, because a clone may lie in a folder of any name.
    .package(name: "bertq", path: "..", traits: []),
    // Without its traits it needs no Foundation beyond the essentials.
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.9.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
  ],
  targets: [
    .target(
      name: "ServeMetrics", dependencies: [.product(name: "CoreMetrics", package: "swift-metrics")]),
    .target(
      name: "ServeShapes",
      dependencies: [
        .product(name: "Bertq", package: "bertq"), .product(name: "JSONText", package: "bertq"),
      ]),
    .target(
      name: "BertServe",
      dependencies: [
        "ServeMetrics", "ServeShapes",
        .product(name: "Bertq", package: "bertq"), .product(name: "JSONText", package: "bertq"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ]),
    .executableTarget(
      name: "bert-serve",
      dependencies: [
        "BertServe", "ServeMetrics",
        .product(name: "Bertq", package: "bertq"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .testTarget(
      name: "ServeMetricsTests",
      dependencies: ["ServeMetrics", .product(name: "CoreMetrics", package: "swift-metrics")]),
    .testTarget(
      name: "ServeShapesTests",
      dependencies: [
        "ServeShapes", .product(name: "Bertq", package: "bertq"),
        .product(name: "JSONText", package: "bertq"),
      ]),
    .testTarget(
      name: "BertServeTests",
      dependencies: [
        "BertServe", "ServeShapes", .product(name: "Bertq", package: "bertq"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ]),
  ],
  swiftLanguageModes: [.v6]
)
