import Fixtures
import Testing

@testable import Bertq

struct AnswerCacheTests {
  private func question(_ ids: [Int32], task: String = "embedding", types: [UInt8] = []) -> Question
  {
    Question(task: task, ids: ids, types: types.isEmpty ? ids.map { _ in 0 } : types)
  }

  @Test func onlyTheSameQuestionIsFound() {
    var cache = AnswerCache(capacity: 1 << 20)
    cache.insert("answer", bytes: 10, for: question([1, 2, 3]))
    let same = cache.find(question([1, 2, 3])) as? String
    #expect(same == "answer")
    for other in [
      question([1, 2]), question([1, 2, 4]), question([1, 2, 3], task: "tokens"),
      question([1, 2, 3], types: [0, 0, 1]), question([]),
    ] {
      let found = cache.find(other) as? String
      #expect(found == nil)
    }
  }

  @Test func bytesStayWithinTheirBound() {
    var random = SeededGenerator(seed: 5)
    for capacity in [0, 1, 1_000, 20_000] {
      var cache = AnswerCache(capacity: capacity)
      var expected: [Question: Int] = [:]
      for step in 0..<3_000 {
        let asked = question([Int32.random(in: 0..<400, using: &random)])
        if let found = cache.find(asked) {
          #expect(found as? Int == expected[asked])
        } else {
          expected[asked] = step
          cache.insert(step, bytes: Int.random(in: 0...600, using: &random), for: asked)
        }
        #expect(cache.bytes <= capacity && (cache.count > 0) == (cache.bytes > 0))
      }
      #expect((cache.count > 0) == (capacity > 700) || capacity == 1_000)
    }
  }

  /// What is asked for again survives a stream of what is not.
  @Test func whatIsUsedStays() {
    var cache = AnswerCache(capacity: 10 * (100 + question([0]).byteCount))
    cache.insert("kept", bytes: 100, for: question([-1]))
    for id in 0..<100 {
      let kept = cache.find(question([-1])) as? String
      #expect(kept == "kept")
      cache.insert("\(id)", bytes: 100, for: question([Int32(id)]))
    }
    #expect(cache.count == 10)
  }
}
