import SystemLibrary
import Testing

@testable import Bertq

/// The policy on a virtual clock, beside a simulation in Python of the same rules that shares no code.
///
/// Costs are those of all-MiniLM-L6-v2 on one core; arrivals are Poisson, lengths log-normal: about 16
/// tokens for queries, about 110 for bulk.
struct SimulationTests {
  /// What the Python program printed with all digits, Python 3.11, `random.Random(7)`.
  struct Recorded: Sendable {
    let lanes: Int
    let bulkShare: Double
    let bulkTexts: Int
    /// Requests, and the median, the 99th percentile in milliseconds and the sum in seconds of their
    /// latencies: of the interactive ones, then of the bulk ones.
    let flows: [(count: Int, median: Double, high: Double, sum: Double)]
  }

  static let recorded = [
    Recorded(
      lanes: 2, bulkShare: 0.5, bulkTexts: 32,
      flows: [
        (98871, 2.7386934106914396, 15.545314992344572, 382.24567954715087),
        (394, 285.28433836824973, 879.564786546311, 133.21745381366597),
      ]),
    Recorded(
      lanes: 2, bulkShare: 0.9, bulkTexts: 128,
      flows: [
        (19920, 2.9116746404582727, 10.463570848436632, 67.44397036032524),
        (223, 1767.2912941555269, 5319.9407901638515, 424.55623189639005),
      ]),
    Recorded(
      lanes: 8, bulkShare: 0.9, bulkTexts: 128,
      flows: [
        (19920, 1.5640503733216349, 4.618788592880119, 34.786879188793264),
        (223, 447.89696930913436, 1332.8134601910149, 107.29989527671707),
      ]),
    Recorded(
      lanes: 32, bulkShare: 0.9, bulkTexts: 128,
      flows: [
        (19920, 1.086984413915193, 3.1226776576386284, 23.957116896685477),
        (223, 117.62138470733885, 340.0463899477522, 28.435958280297683),
      ]),
  ]

  @Test(arguments: recorded.indices)
  func latenciesAreThoseOfTheRecordedSimulation(_ index: Int) {
    let recorded = Self.recorded[index]
    let requests = SimulatedRequest.arrivals(
      seed: 7, seconds: 240 / Double(recorded.lanes), load: 0.8, lanes: recorded.lanes,
      bulkShare: recorded.bulkShare, bulkTexts: recorded.bulkTexts)
    let latencies = simulate(requests, lanes: recorded.lanes)
    for flow in Flow.allCases {
      let found = zip(requests, latencies).filter { $0.0.flow == flow }.map(\.1)
      let sorted = found.sorted()
      let expected = recorded.flows[flow.rawValue]
      #expect(found.count == expected.count)
      func percentile(_ q: Double) -> Double {
        sorted[min(sorted.count - 1, Int(q * Double(sorted.count)))] * 1000
      }
      #expect(percentile(0.5) == expected.median)
      #expect(percentile(0.99) == expected.high)
      #expect(abs(found.reduce(0, +) - expected.sum) < 1e-9 * expected.sum)
    }
  }
}

/// A request of some texts.
struct SimulatedRequest {
  let time: Double
  let lengths: [Int]
  let flow: Flow

  /// Seconds of one lane for a text.
  static func cost(_ tokens: Int) -> Double {
    let n = Double(tokens)
    return (0.02 + 0.0538 * n + 0.0000302 * n * n) / 1000
  }

  private static func lengths(_ random: inout MersenneTwister, _ count: Int, _ flow: Flow) -> [Int]
  {
    (0..<count).map { _ in
      let length = random.logNormal(log(flow == .bulk ? 110 : 16), 0.5)
      return max(4, min(256, Int(length)))
    }
  }

  /// Requests of both flows in the order of their times.
  static func arrivals(
    seed: UInt32, seconds: Double, load: Double, lanes: Int, bulkShare: Double, bulkTexts: Int
  ) -> [SimulatedRequest] {
    func mean(_ seed: UInt32, _ flow: Flow) -> Double {
      var random = MersenneTwister(seed)
      return lengths(&random, 4000, flow).reduce(0) { $0 + cost($1) } / 4000
    }
    let work = (mean(1, .interactive), mean(2, .bulk) * Double(bulkTexts))
    let rates: [(Flow, Double, Int)] = [
      (.interactive, load * Double(lanes) * (1 - bulkShare) / work.0, 1),
      (.bulk, load * Double(lanes) * bulkShare / work.1, bulkTexts),
    ]
    var random = MersenneTwister(seed)
    var requests: [SimulatedRequest] = []
    for (flow, rate, texts) in rates {
      var time = 0.0
      while true {
        time += random.exponential(rate)
        if time > seconds { break }
        let lengths = lengths(&random, texts, flow)
        requests.append(SimulatedRequest(time: time, lengths: lengths, flow: flow))
      }
    }
    return requests.sorted { $0.time < $1.time }
  }
}

/// Runs requests on a virtual clock with the policy alone; gives each one's latency in seconds.
func simulate(_ requests: [SimulatedRequest], lanes: Int) -> [Double] {
  var policy = LanePolicy<Int>(LaneSettings(lanes: lanes))
  var left = requests.map(\.lengths.count)
  var latencies = [Double](repeating: .nan, count: requests.count)
  /// What is computed, and when it ends; as many as lanes at most.
  var running: [(end: Double, work: LanePolicy<Int>.Work)] = []
  var arriving = 0
  while arriving < requests.count || !running.isEmpty {
    let ending = running.indices.min {
      (running[$0].end, running[$0].work.jobs[0]) < (running[$1].end, running[$1].work.jobs[0])
    }
    let now: Double
    if arriving < requests.count, ending.map({ requests[arriving].time <= running[$0].end }) ?? true
    {
      let request = requests[arriving]
      now = request.time
      policy.submit(
        request.lengths.map { .init(arriving, tokens: $0, cost: SimulatedRequest.cost($0)) },
        flow: request.flow, now: now)
      arriving += 1
    } else if let ending {
      let done = running.remove(at: ending)
      now = done.end
      policy.finished(done.work)
      let request = done.work.jobs[0]
      left[request] -= 1
      if left[request] == 0 { latencies[request] = now - requests[request].time }
    } else {
      break
    }
    while let work = policy.next(now: now) { running.append((now + work.cost, work)) }
  }
  return latencies
}
