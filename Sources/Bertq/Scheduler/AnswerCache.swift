import BertRuntime

/// What is asked: two equal questions have the same answer, bit for bit.
struct Question: Hashable, Sendable {
  /// What is answered, such as `embedding`.
  let task: String
  let ids: [Int32]
  let types: [UInt8]
  /// The hidden states that the answer is made of; nil where the task says.
  var rows: WantedRows?
  /// How many of the ids are left out of pooling.
  var promptTokens = 0
  /// How many of the last ids none sees.
  var unseen = 0

  /// Bytes of memory, about.
  var byteCount: Int { 96 + 5 * ids.count + 8 * (rows?.listed ?? 0) }
}

/// Answers kept for questions that come again, up to a number of bytes.
///
/// An answer is found by its question, all of it, not by a hash alone. What has not been asked for again
/// since the hand of the clock last passed is forgotten first (CLOCK; Corbató, 1968).
struct AnswerCache {
  private struct Slot {
    let question: Question
    let answer: any Sendable
    let bytes: Int
    var isUsed = false
  }

  /// The most bytes kept; 0 keeps nothing.
  let capacity: Int
  /// Bytes kept.
  private(set) var bytes = 0
  /// Questions that were found, those that were not, and answers that were forgotten.
  private(set) var counts = (hits: 0, misses: 0, evictions: 0)
  private var slots: [Slot] = []
  private var places: [Question: Int] = [:]
  private var hand = 0

  init(capacity: Int) { self.capacity = max(0, capacity) }

  /// Answers kept.
  var count: Int { slots.count }

  /// The answer to a question that was answered before.
  mutating func find(_ question: Question) -> (any Sendable)? {
    guard let place = places[question] else {
      if capacity > 0 { counts.misses += 1 }
      return nil
    }
    counts.hits += 1
    slots[place].isUsed = true
    return slots[place].answer
  }

  /// Keeps an answer of so many bytes, in place of others where there is no room.
  mutating func insert(_ answer: any Sendable, bytes size: Int, for question: Question) {
    let size = size + question.byteCount
    guard size <= capacity, places[question] == nil else { return }
    while bytes + size > capacity { evict() }
    places[question] = slots.count
    slots.append(Slot(question: question, answer: answer, bytes: size))
    bytes += size
  }

  private mutating func evict() {
    while true {
      if hand >= slots.count { hand = 0 }
      if !slots[hand].isUsed { break }
      slots[hand].isUsed = false
      hand += 1
    }
    let gone = slots[hand]
    bytes -= gone.bytes
    counts.evictions += 1
    places[gone.question] = nil
    let last = slots.removeLast()
    if hand < slots.count {
      slots[hand] = last
      places[last.question] = hand
    }
  }
}
