/// Who is served first: two flows that get the same share of the work while both have some.
enum Flow: Int, CaseIterable, Sendable {
  /// Somebody waits for it.
  case interactive
  /// Many texts at once.
  case bulk
}

/// Decides which waiting texts a free lane computes next.
///
/// It has no threads and no clock: who drives it tells it the time, in seconds from any beginning.
///
/// The unit is a text, whose cost is known before it runs. Between the flows order is start-time fair
/// queueing by cost (Goyal, Vin and Cheng, 1996): a text's tag is where its flow's last text ended in
/// virtual time, or the present virtual time if that is later, so that an idle flow saves up nothing.
/// Within a flow the first to come is the first served. Nothing waits for a timer: a lane that is free
/// takes what there is.
///
///     var policy = LanePolicy<String>(LaneSettings(lanes: 2))
///     policy.submit([.init("a job", tokens: 16, cost: 0.001)], flow: .interactive, now: 0)
///     let work = policy.next(now: 0)     // the job, and how many lanes compute it
///     if let work { policy.finished(work) }
struct LanePolicy<Job> {
  /// One text that waits.
  struct Entry {
    let job: Job
    /// Tokens, specials included.
    let tokens: Int
    /// Predicted seconds of one lane.
    let cost: Double
    /// When nobody wants the answer any more.
    let deadline: Double?

    init(_ job: Job, tokens: Int, cost: Double, deadline: Double? = nil) {
      self.job = job
      self.tokens = tokens
      self.cost = cost
      self.deadline = deadline
    }
  }

  /// Names a waiting text.
  struct Ticket: Hashable {
    fileprivate let number: UInt64
  }

  /// What one lane, or several together, compute at once.
  struct Work {
    /// The texts, in order.
    let jobs: [Job]
    /// How many lanes compute them together.
    let lanes: Int
    /// Predicted seconds of one lane.
    let cost: Double
  }

  let settings: LaneSettings
  /// Lanes that compute nothing.
  private(set) var idle: Int
  /// Texts that were to be computed when their deadline passed, since this was last asked for.
  private var late: [Job] = []
  private var queues: [FlowQueue<Job>]
  /// The virtual time: the tag of the text that was begun last.
  private var virtualTime = 0.0
  private var nextNumber: UInt64 = 0
  private var lastInteractive = -Double.infinity

  init(_ settings: LaneSettings) {
    self.settings = settings
    idle = settings.lanes
    queues = Flow.allCases.map { _ in FlowQueue() }
  }

  /// Texts that wait.
  var waiting: Int { queues.reduce(0) { $0 + $1.count } }
  /// Predicted seconds of one lane for all that waits.
  var waitingCost: Double { queues.reduce(0) { $0 + $1.cost } }

  /// The same for one flow.
  func waitingCost(_ flow: Flow) -> Double { queues[flow.rawValue].cost }

  /// Adds the texts of one request; they are computed in this order.
  @discardableResult
  mutating func submit(_ entries: [Entry], flow: Flow, now: Double) -> [Ticket] {
    if flow == .interactive { lastInteractive = now }
    return entries.map { entry in
      let ticket = Ticket(number: nextNumber)
      nextNumber += 1
      queues[flow.rawValue].append(entry, number: ticket.number)
      return ticket
    }
  }

  /// Takes a waiting text away; false when it does not wait any more.
  @discardableResult
  mutating func cancel(_ ticket: Ticket) -> Bool {
    for flow in queues.indices where queues[flow].remove(ticket.number) { return true }
    return false
  }

  /// What a free lane does now; nil when none is free or nothing waits.
  mutating func next(now: Double) -> Work? {
    guard idle > 0, let (flow, first) = pop(now: now) else { return nil }
    var jobs = [first.job]
    var (tokens, cost) = (first.tokens, first.cost)
    // Fewer texts than free lanes: several compute a long one together.
    let share = settings.gang(of: first.tokens, idle: idle - waiting)
    if share == 1 {
      let most = passTokens(flow, now: now)
      // As long as enough is left for the other free lanes.
      while waiting >= idle, let entry = queues[flow.rawValue].first,
        tokens + entry.tokens <= most, isOnTime(entry, now)
      {
        take(flow)
        jobs.append(entry.job)
        tokens += entry.tokens
        cost += entry.cost
      }
    }
    idle -= share
    return Work(jobs: jobs, lanes: share, cost: cost)
  }

  /// Gives the lanes of a work back.
  mutating func finished(_ work: Work) { idle += work.lanes }

  /// The jobs whose deadline passed before they were begun; each is told of once.
  mutating func takeLate() -> [Job] {
    defer { late.removeAll() }
    return late
  }

  /// The most tokens that a lane takes from a flow at once.
  private func passTokens(_ flow: Flow, now: Double) -> Int {
    if flow == .interactive { return settings.interactivePassTokens }
    if queues[Flow.interactive.rawValue].count > 0 { return 0 }
    if now - lastInteractive < settings.alertSeconds { return settings.shortPassTokens }
    guard settings.lanes > 1 else { return settings.passTokens }
    // Smaller towards the end, so that all lanes end at about the same time.
    let part = queues[flow.rawValue].tokens / (2 * settings.lanes)
    return min(settings.passTokens, max(settings.shortPassTokens, part))
  }

  /// The next text in fair order that is not too late.
  private mutating func pop(now: Double) -> (Flow, Entry)? {
    while true {
      var found: (flow: Flow, start: Double)?
      for flow in Flow.allCases where queues[flow.rawValue].count > 0 {
        let start = max(queues[flow.rawValue].tag, virtualTime)
        if found.map({ start < $0.start }) ?? true { found = (flow, start) }
      }
      guard let (flow, _) = found, let entry = queues[flow.rawValue].first else { return nil }
      if isOnTime(entry, now) {
        take(flow)
        return (flow, entry)
      }
      queues[flow.rawValue].removeFirst()
      late.append(entry.job)
    }
  }

  /// Begins the first text of a flow.
  private mutating func take(_ flow: Flow) {
    guard let entry = queues[flow.rawValue].first else { return }
    queues[flow.rawValue].removeFirst()
    virtualTime = max(queues[flow.rawValue].tag, virtualTime)
    queues[flow.rawValue].tag = virtualTime + entry.cost
  }

  private func isOnTime(_ entry: Entry, _ now: Double) -> Bool {
    entry.deadline.map { now <= $0 } ?? true
  }
}

// MARK: Admission

extension LanePolicy {
  /// Why a request is not taken.
  enum Refusal: Equatable {
    /// So many seconds of work wait for each lane.
    case overloaded(seconds: Double)
    /// It would be answered so many seconds from now, and its deadline leaves so many.
    case late(seconds: Double, left: Double)
  }

  /// Whether a request may come in now.
  ///
  /// - Parameters:
  ///   - cost: predicted seconds of one lane for all of it.
  ///   - longestQueue: seconds of waiting work for each lane above which nothing is taken; an interactive
  ///     request is taken up to twice that while its own flow is below it, and a request that is longer
  ///     alone when its flow is empty. Nil takes all.
  func refusal(
    of cost: Double, flow: Flow, deadline: Double?, longestQueue: Double?, now: Double
  ) -> Refusal? {
    let lanes = Double(settings.lanes)
    let queued = waitingCost / lanes
    let own = queues[flow.rawValue].cost / lanes
    if let longestQueue, own > 0 {
      let isShort = flow == .interactive && own < longestQueue
      if queued > (isShort ? 2 : 1) * longestQueue { return .overloaded(seconds: queued) }
    }
    if let deadline {
      // Fair: of the other flow at most as much is served first as of its own.
      let ahead = own + min(own + cost / lanes, queued - own)
      let end = ahead + cost / lanes
      if now + end > deadline { return .late(seconds: end, left: deadline - now) }
    }
    return nil
  }
}
