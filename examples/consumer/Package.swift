// swift-tools-version: 6.1
import PackageDescription

// A package of somebody else that runs models: `traits: []` leaves out the programs and what they need.
let package = Package(
  name: "consumer",
  dependencies: [.package(name: "bertq", path: "../..", traits: [])],
  targets: [
    .executableTarget(
      name: "consumer", dependencies: [.product(name: "Bertq", package: "bertq")])
  ],
  swiftLanguageModes: [.v6]
)
