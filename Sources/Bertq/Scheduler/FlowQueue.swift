/// One flow's waiting texts, first come, first served.
struct FlowQueue<Job> {
  typealias Entry = LanePolicy<Job>.Entry

  /// Where the flow's last text ended in virtual time.
  var tag = 0.0
  /// Texts that wait.
  private(set) var count = 0
  /// Their tokens.
  private(set) var tokens = 0
  private var sum = 0.0
  /// Predicted seconds of one lane for them.
  var cost: Double { count == 0 ? 0 : max(0, sum) }

  /// From the oldest on, by number; nil for those taken out of turn.
  private var entries: [Entry?] = []
  private var numbers: [UInt64] = []
  /// How many of the oldest are gone already.
  private var head = 0

  /// The text whose turn it is.
  var first: Entry? { head < entries.count ? entries[head] : nil }

  /// Numbers ascend.
  mutating func append(_ entry: Entry, number: UInt64) {
    entries.append(entry)
    numbers.append(number)
    account(entry, 1)
  }

  mutating func removeFirst() {
    guard let entry = first else { return }
    account(entry, -1)
    entries[head] = nil
    skipHoles()
  }

  /// Takes a text out of turn; false when it is not here.
  mutating func remove(_ number: UInt64) -> Bool {
    var (low, high) = (head, numbers.count)
    while low < high {
      let middle = (low + high) / 2
      if numbers[middle] < number { low = middle + 1 } else { high = middle }
    }
    guard low < numbers.count, numbers[low] == number, let entry = entries[low] else {
      return false
    }
    account(entry, -1)
    entries[low] = nil
    skipHoles()
    return true
  }

  private mutating func account(_ entry: Entry, _ sign: Int) {
    count += sign
    tokens += sign * entry.tokens
    sum = count == 0 ? 0 : sum + Double(sign) * entry.cost
  }

  /// Goes on to the next text that waits; what is gone is forgotten in large pieces, so that each text
  /// costs the same however many there are.
  private mutating func skipHoles() {
    while head < entries.count, entries[head] == nil { head += 1 }
    if head > 64, head * 2 > entries.count {
      entries.removeFirst(head)
      numbers.removeFirst(head)
      head = 0
    }
  }
}
