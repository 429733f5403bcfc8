import BertErrors
import ByteFiles
import Fixtures
import FoundationEssentials
import SystemLibrary
import Testing

/// What becomes of the file that has the name already, and of links.
struct OutputTargetTests {
  static func mode(_ path: String) -> mode_t? {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode : nil
  }

  @Test(arguments: [0o600, 0o640, 0o444, 0o755] as [mode_t])
  func aReplacedFileKeepsItsPermissions(_ mode: mode_t) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a", [1])
    #expect(chmod(path, mode) == 0)
    try OutputFile.write([2, 3], to: path)
    #expect(try readBytes(path) == [2, 3])
    #expect(Self.mode(path).map { $0 & 0o7777 } == mode)
  }

  @Test(arguments: [
    (["link": "real"], "real"), (["link": "other", "other": "real"], "real"),
    (["link": "sub/other", "sub/other": "../real"], "real"), (["link": "sub/new"], "sub/new"),
  ])
  func aLinkIsFollowed(_ links: [String: String], _ target: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("real", [1])
    try folder.write("sub/file", [1])
    for (name, place) in links { try folder.link(name, to: place) }
    try OutputFile.check(folder / "link")
    try OutputFile.write([2, 3], to: folder / "link")
    #expect(try readBytes(folder / target) == [2, 3])
    for name in links.keys {
      #expect(Self.mode(folder / name).map { $0 & S_IFMT } == S_IFLNK, "\(name) is still a link")
    }
  }

  @Test func aRingOfLinksIsRefused() throws {
    let folder = try TemporaryFolder()
    try folder.link("a", to: "b")
    try folder.link("b", to: "a")
    let error = #expect(throws: BertError.self) { try OutputFile.write([1], to: folder / "a") }
    #expect(error?.code == .cannotWrite && error?.file == folder / "a")
    #expect(folder.names == ["a", "b"])
  }

  @Test func aDescriptorOfAFileThatIsGoneIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a", [1])
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    unlink(path)
    let error = #expect(throws: BertError.self) {
      try OutputFile.write([1], to: "/proc/self/fd/\(descriptor)")
    }
    #expect(error?.code == .cannotWrite)
    #expect(folder.names.isEmpty)
  }

  @Test func noTargetIsASourceOrAnotherTarget() throws {
    let folder = try TemporaryFolder()
    let (input, other) = (try folder.write("input", [1]), folder / "other")
    try folder.link("link", to: "input")
    try OutputFile.check([other], besides: [input])
    for targets in [[input], [folder / "link"], [other, other], [folder.path + "/./input"]] {
      let error = #expect(throws: BertError.self) {
        try OutputFile.check(targets, besides: [input])
      }
      #expect(error?.code == .usage)
    }
    #expect(try readBytes(input) == [1])
  }
}
