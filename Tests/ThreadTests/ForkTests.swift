import Fixtures
import Testing

/// Teams and `fork`: a process of its own forks, for a test's own process has threads that are not
/// the test's.
@Suite(.serialized)
struct ForkTests {
  /// A child that hangs is ended by a signal after a minute, and counts as failed.
  private func probe(_ arguments: String...) throws -> Program.Outcome {
    try Program("ForkProbe").run(arguments, environment: ["SWIFT_BACKTRACE": "enable=no"])
  }

  /// What other threads do at the moment of the fork (nothing; two run the team by turns; one is in
  /// a run and another waits for its turn), and what the child does with the team (it uses it and
  /// exits; uses it and lets go; lets go).
  static let moments = ["idle", "busy", "held"].flatMap { state in
    ["use", "close", "unused"].map { (state, $0) }
  }

  /// The child is right, and so is the parent afterwards.
  @Test(arguments: ["1", "4"], moments)
  func aTeamWorksOnBothSidesOfAFork(_ threads: String, _ moment: (String, String)) throws {
    let outcome = try probe("fork", threads, moment.0, moment.1)
    #expect(outcome.code == 0, "\(outcome.errors)")
  }

  @Test(arguments: ["1", "3"])
  func manyForksUnderLoadAreAllRight(_ threads: String) throws {
    let outcome = try probe("load", "150", threads)
    #expect(outcome.code == 0, "\(outcome.errors)")
  }

  /// Children of children, eight threads of a child that find the parent's team at once, and a
  /// child that gets no threads.
  @Test(arguments: ["family", "crowd", "refused"])
  func childrenOfAllKindsAreRight(_ kind: String) throws {
    let outcome = try probe(kind)
    #expect(outcome.code == 0, "\(outcome.errors)")
  }

  /// What could never end says so instead.
  @Test(arguments: [
    ("nested-caller", "run of a ThreadTeam was called from inside a run of the same team"),
    ("nested-worker", "run of a ThreadTeam was called from inside a run of the same team"),
    ("inside", "a run of a ThreadTeam goes on in a forked child"),
  ])
  func misuseEndsWithAMessage(_ kind: String, _ message: String) throws {
    let outcome = try probe(kind)
    #expect(outcome.code > 128 && outcome.errors.contains(message), "\(outcome.code)")
  }
}
