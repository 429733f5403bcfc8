import Testing

@testable import Bertq

/// What waits, and in which order it is computed, without threads and clocks.
struct LanePolicyTests {
  typealias Policy = LanePolicy<String>

  private func entry(
    _ name: String, tokens: Int = 16, cost: Double = 1, deadline: Double? = nil
  ) -> Policy.Entry {
    .init(name, tokens: tokens, cost: cost, deadline: deadline)
  }

  /// The jobs in the order in which one lane would compute them.
  private func drain(_ policy: inout Policy, now: Double = 0) -> [[String]] {
    var order: [[String]] = []
    while let work = policy.next(now: now) {
      order.append(work.jobs)
      policy.finished(work)
    }
    return order
  }

  @Test func theFirstToComeIsTheFirstServed() {
    var policy = Policy(LaneSettings(lanes: 1))
    for name in ["a", "b", "c"] { policy.submit([entry(name)], flow: .bulk, now: 0) }
    let drained6 = drain(&policy)
    #expect(drained6 == [["a"], ["b"], ["c"]])
    #expect(policy.waiting == 0 && policy.waitingCost == 0 && policy.idle == 1)
  }

  /// Bulk of twice the cost gets every third turn.
  @Test func flowsShareTheWorkAndNotTheTurns() {
    var policy = Policy(LaneSettings(lanes: 1))
    policy.submit((0..<4).map { entry("b\($0)", cost: 2) }, flow: .bulk, now: 0)
    policy.submit((0..<8).map { entry("i\($0)", cost: 1) }, flow: .interactive, now: 0)
    let order = drain(&policy).flatMap { $0 }
    for count in [3, 6, 9, 12] {
      #expect(order.prefix(count).count { $0.hasPrefix("b") } == count / 3, "\(order)")
    }
  }

  @Test func whoWasIdleHasSavedUpNothing() {
    var policy = Policy(LaneSettings(lanes: 1))
    policy.submit((0..<100).map { entry("b\($0)") }, flow: .bulk, now: 0)
    for _ in 0..<50 {
      guard let work = policy.next(now: 0) else { break }
      policy.finished(work)
    }
    policy.submit((0..<10).map { entry("i\($0)") }, flow: .interactive, now: 50)
    let next = drain(&policy, now: 50).flatMap { $0 }.prefix(20)
    #expect(next.count { $0.hasPrefix("i") } == 10)
    #expect((1...9).allSatisfy { next.prefix(2 * $0).count { $0.hasPrefix("i") } <= $0 + 1 })
  }

  @Test func aBusyPolicyHandsOutNothing() {
    var policy = Policy(LaneSettings(lanes: 2))
    policy.submit((0..<3).map { entry("\($0)") }, flow: .bulk, now: 0)
    let works = (0..<3).map { _ in policy.next(now: 0) }
    #expect(works[0]?.jobs == ["0"] && works[1]?.jobs == ["1"] && works[2] == nil)
    if let first = works[0] { policy.finished(first) }
    let taken1 = policy.next(now: 0)?.jobs
    #expect(taken1 == ["2"])
  }

  @Test func shortTextsGoTogetherUpToAPassWhileNobodyWaits() {
    var settings = LaneSettings(lanes: 1)
    settings.passTokens = 100
    settings.shortPassTokens = 40
    settings.alertSeconds = 0.1
    var policy = Policy(settings)
    let bulk = (0..<20).map { entry("b\($0)", tokens: 20) }
    policy.submit(bulk, flow: .bulk, now: 0)
    let taken2 = policy.next(now: 0)?.jobs
    #expect(taken2?.count == 5)
    policy.finished(.init(jobs: [], lanes: 1, cost: 0))
    policy.submit([entry("i", tokens: 20)], flow: .interactive, now: 1)
    let taken3 = policy.next(now: 1)?.jobs
    #expect(taken3 == ["i"])
    policy.finished(.init(jobs: [], lanes: 1, cost: 0))
    let taken4 = policy.next(now: 1.05)?.jobs
    #expect(taken4?.count == 2)
    policy.finished(.init(jobs: [], lanes: 1, cost: 0))
    let taken5 = policy.next(now: 1.2)?.jobs
    #expect(taken5?.count == 5)
  }

  @Test func queriesThatWaitGoTogether() {
    var settings = LaneSettings(lanes: 1)
    settings.passTokens = 1000
    settings.interactivePassTokens = 50
    settings.shortPassTokens = 20
    var policy = Policy(settings)
    policy.submit((0..<5).map { entry("\($0)", tokens: 20) }, flow: .interactive, now: 0)
    #expect(drain(&policy) == [["0", "1"], ["2", "3"], ["4"]])
  }

  @Test func otherFreeLanesGetTheirText() {
    var settings = LaneSettings(lanes: 4)
    settings.passTokens = 1000
    settings.interactivePassTokens = 1000
    settings.shortPassTokens = 1000
    for flow in Flow.allCases {
      var policy = Policy(settings)
      policy.submit((0..<6).map { entry("\($0)") }, flow: flow, now: 0)
      let works = (0..<4).compactMap { _ in policy.next(now: 0) }
      #expect(works.map(\.jobs.count) == [3, 1, 1, 1])
    }
  }

  @Test func aTextLongerThanAPassIsComputedAlone() {
    var settings = LaneSettings(lanes: 1)
    settings.passTokens = 10
    var policy = Policy(settings)
    policy.submit([entry("long", tokens: 500), entry("a"), entry("b")], flow: .bulk, now: 0)
    let drained7 = drain(&policy)
    #expect(drained7 == [["long"], ["a"], ["b"]])
  }

  static let gangs: [(lanes: Int, texts: [Int], share: [Int])] = [
    (8, [512], [8]), (8, [16], [1]), (8, [17], [2]), (8, [64], [4]), (8, [100], [4]),
    (8, [512, 512], [4, 4]), (6, [512], [6]), (6, [512, 512, 512], [4, 1, 1]), (1, [512], [1]),
    (2, [512, 512, 512], [1, 1]), (3, [48], [3]),
  ]

  /// Fewer texts than free lanes: the free ones help.
  @Test(arguments: gangs.indices)
  func lanesThatWouldBeIdleHelpWithLongTexts(_ index: Int) {
    let (lanes, texts, share) = Self.gangs[index]
    var settings = LaneSettings(lanes: lanes)
    settings.gangTokens = 16
    var policy = Policy(settings)
    policy.submit(texts.map { entry("t", tokens: $0) }, flow: .interactive, now: 0)
    var works: [Policy.Work] = []
    while let work = policy.next(now: 0) { works.append(work) }
    #expect(works.map(\.lanes) == share)
    #expect(policy.idle == lanes - share.reduce(0, +))
    for work in works { policy.finished(work) }
    #expect(policy.idle == lanes)
  }

  @Test func whatIsCancelledIsNotComputed() {
    var policy = Policy(LaneSettings(lanes: 1))
    let tickets = policy.submit((0..<200).map { entry("\($0)") }, flow: .bulk, now: 0)
    let cancelled = tickets.filter { $0 != tickets[7] && policy.cancel($0) }
    #expect(cancelled.count == 199)
    let again = policy.cancel(tickets[3])
    #expect(!again)
    #expect(policy.waiting == 1 && policy.waitingCost == 1)
    let drained8 = drain(&policy)
    #expect(drained8 == [["7"]])
    let begun = policy.cancel(tickets[7])
    #expect(!begun)
    policy.submit([entry("next")], flow: .bulk, now: 0)
    let drained9 = drain(&policy)
    #expect(drained9 == [["next"]])
  }

  @Test func whatIsTooLateIsToldOfOnceAndNotComputed() {
    var policy = Policy(LaneSettings(lanes: 1))
    policy.submit(
      [entry("a", deadline: 5), entry("b", deadline: 1), entry("c"), entry("d", deadline: 1)],
      flow: .bulk, now: 0)
    let order = drain(&policy, now: 2)
    #expect(order == [["a"], ["c"]])
    let (late, later) = (policy.takeLate(), policy.takeLate())
    #expect(late == ["b", "d"] && later.isEmpty)
    #expect(policy.waiting == 0 && policy.waitingCost == 0)
  }

  @Test func requestsAreRefusedWhereTooMuchWaits() {
    var policy = Policy(LaneSettings(lanes: 2))
    func refusal(_ flow: Flow, _ cost: Double = 1, deadline: Double? = nil) -> Policy.Refusal? {
      policy.refusal(of: cost, flow: flow, deadline: deadline, longestQueue: 0.25, now: 0)
    }
    #expect(refusal(.bulk, 100) == nil, "longer alone than the queue may be, but nothing waits")
    policy.submit([entry("b", cost: 0.4)], flow: .bulk, now: 0)
    #expect(refusal(.bulk) == nil, "0.2 s a lane")
    policy.submit([entry("b", cost: 0.2)], flow: .bulk, now: 0)
    #expect(refusal(.bulk) == .overloaded(seconds: (0.4 + 0.2) / 2))
    #expect(refusal(.interactive) == nil, "its own flow is empty")
    policy.submit([entry("i", cost: 0.1)], flow: .interactive, now: 0)
    #expect(refusal(.interactive) == nil, "up to twice as much while its own is short")
    policy.submit([entry("b", cost: 0.6)], flow: .bulk, now: 0)
    #expect(refusal(.interactive) != nil)
    #expect(
      policy.refusal(of: 1, flow: .bulk, deadline: nil, longestQueue: nil, now: 0) == nil)
  }

  @Test func whatWouldBeLateIsRefusedAtOnce() {
    var policy = Policy(LaneSettings(lanes: 1))
    policy.submit([entry("b", cost: 10)], flow: .bulk, now: 100)
    func refusal(_ flow: Flow, _ deadline: Double) -> Policy.Refusal? {
      policy.refusal(of: 1, flow: flow, deadline: deadline, longestQueue: nil, now: 100)
    }
    #expect(refusal(.bulk, 110.5) == .late(seconds: 11, left: 10.5))
    #expect(refusal(.bulk, 111.5) == nil)
    // Its flow is empty: of the other one no more is served first than of its own.
    #expect(refusal(.interactive, 101.5) == .late(seconds: 2, left: 1.5))
    #expect(refusal(.interactive, 102.5) == nil)
  }

  @Test func costsAreLearntFromWhatWasMeasured() {
    var curve = CostCurve(perText: 1e-5, perToken: 5e-5, perPair: 3e-8)
    #expect(abs(curve.cost(tokens: 100) - (1e-5 + 5e-3 + 3e-4)) < 1e-12)
    for _ in 0..<200 {
      let predicted = curve.cost(tokens: 40)
      curve.learn(predicted: predicted, seconds: 0.007)
    }
    #expect(abs(curve.cost(tokens: 40) - 0.007) < 1e-5)
    let before = curve.cost(tokens: 40)
    curve.learn(predicted: before, seconds: 1000)
    #expect(curve.cost(tokens: 40) < 2 * before, "one interruption says little")
  }
}
