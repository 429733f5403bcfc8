import BertErrors
import Bertq
import Fixtures
import SystemLibrary
import Testing

/// Many callers of one model: each gets the bits that it would get alone, and nothing is lost.
struct ConcurrencyTests {
  @Test(arguments: [0, 100_000])
  func manyTasksGetTheBitsOfTheProgram(_ cacheBytes: Int) async throws {
    let library = try Library()
    let texts = library.texts(raggedLengths)
    let expected = try library.programsEmbeddings(texts)
    let model = try library.open { $0.cacheBytes = cacheBytes }
    let wrong = await withTaskGroup(of: Int.self) { group in
      for task in 0..<64 {
        group.addTask {
          var wrong = 0
          for round in 0..<6 {
            // One text, or a few in another order.
            let first = (task * 7 + round * 5) % texts.count
            let picked = (0...(task + round) % 4).map { (first + $0 * 3) % texts.count }
            let results = await model.embedEach(picked.map { texts[$0] })
            for (index, result) in zip(picked, results) {
              if (try? result.get().bits) != expected[index] { wrong += 1 }
            }
            if results.count != picked.count { wrong += 1 }
          }
          return wrong
        }
      }
      return await group.reduce(0, +)
    }
    #expect(wrong == 0)
  }

  @Test func blockingAndAsynchronousCallersOfTwoModelsDoNotMix() async throws {
    let libraries = [try Library(seed: 1), try Library(seed: 2, hiddenSize: 96)]
    let texts = libraries.map { $0.texts([3, 60, 16, 300]) }
    let expected = try zip(libraries, texts).map { try $0.aloneEmbeddings($1) }
    let models = try libraries.map { try $0.open { $0.threads = 2 } }
    let wrong = Tally()
    let threads = (0..<4).map { index in
      WaitingThread {
        for round in 0..<10 {
          let which = (index + round) % 2
          let found = blocking(models[which], texts[which])
          if found != expected[which] { wrong.add() }
        }
      }
    }
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<16 {
        group.addTask {
          let which = task % 2
          let found = try? await models[which].embed(texts[which]).map(\.bits)
          if found != expected[which] { wrong.add() }
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(wrong.count == 0)
  }

  @Test func aCancelledTaskEndsAndTheOthersGoOn() async throws {
    let library = try Library()
    let texts = library.texts(raggedLengths)
    let expected = try library.aloneEmbeddings(texts)
    let model = try library.open { $0.threads = 1 }
    let many = (0..<40).flatMap { _ in texts }
    let tasks = (0..<8).map { _ in Task { await model.embedEach(many) } }
    for task in tasks.dropFirst() { task.cancel() }
    for task in tasks.dropFirst() {
      let results = await task.value
      #expect(results.count == many.count)
      for (index, result) in results.enumerated() {
        switch result {
        case .success(let vector): #expect(vector.bits == expected[index % texts.count])
        case .failure(let error): #expect(error.code == .cancelled)
        }
      }
      #expect(results.contains { if case .failure = $0 { true } else { false } })
    }
    let whole = await tasks[0].value
    #expect(whole.map { try? $0.get().bits } == (0..<40).flatMap { _ in expected })
    let late = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return await model.embedEach(texts)
    }
    let none = await late.value
    #expect(
      none.allSatisfy { if case .failure(let e) = $0 { e.code == .cancelled } else { false } })
    #expect(try await model.embed([texts[0]]).map(\.bits) == [expected[0]])
  }

  /// A task's locks are held while its cancellation is told, and taken when it is resumed: neither may wait for the other.
  @Test func tasksAreCancelledAtTheMomentTheyAreAnswered() async throws {
    let library = try Library()
    let texts = library.texts([3])
    let expected = try library.aloneEmbeddings(texts)
    let model = try library.open { $0.threads = 2 }
    for round in 0..<3_000 {
      let tasks = (0..<4).map { _ in Task { await model.embedEach(texts) } }
      let canceller = WaitingThread {
        for _ in 0..<round % 60 { sched_yield() }
        for task in tasks { task.cancel() }
      }
      for task in tasks {
        switch await task.value[0] {
        case .success(let vector): #expect(vector.bits == expected[0])
        case .failure(let error): #expect(error.code == .cancelled)
        }
      }
      canceller.join()
    }
  }

  @Test func aModelMayBeLetGoWhileOthersCompute() async throws {
    let library = try Library()
    let texts = library.texts([40, 300, 8])
    let expected = try library.aloneEmbeddings(texts)
    for round in 0..<10 {
      var model: Model? = try library.open { $0.threads = 1 + round % 3 }
      weak let left = model
      let tasks = (0..<6).map { [model] _ in
        Task {
          guard let model else { return [[UInt32]]() }
          return (try? await model.embed(texts).map(\.bits)) ?? []
        }
      }
      if round % 2 == 0 { tasks[0].cancel() }
      model = nil
      for (index, task) in tasks.enumerated() where index > 0 {
        #expect(await task.value == expected)
      }
      _ = await tasks[0].value
      for _ in 0..<1_000 where left != nil { try await Task.sleep(for: .milliseconds(2)) }
      #expect(left == nil)
    }
  }

  @Test func requestsThatWouldWaitTooLongAreRefused() throws {
    let library = try Library()
    let model = try library.open { $0.threads = 1 }
    let texts = library.texts([16])
    let passed = RequestOptions(deadline: .now - .seconds(1))
    for result in model.each(texts, passed) {
      #expect(result == .failure(BertError(.deadline, "")))
    }
    let many = library.texts((0..<2_000).map { $0 % 500 + 1 })
    // Bulk work without an end, so that there is some whenever the machine lets the impatient one ask; from
    // a thread of its own, since other tests may keep all those of tasks.
    let (seen, failed) = (Tally(), Tally())
    let bulk = WaitingThread {
      repeat {
        for case .failure in model.each(many, RequestOptions()) { failed.add() }
      } while seen.count == 0
    }
    let impatient = RequestOptions(priority: .bulk, longestQueue: .zero)
    var refused = false
    let patience = ContinuousClock.now + .seconds(60)
    while !refused, .now < patience {
      refused = model.each(texts, impatient) == [.failure(BertError(.overloaded, ""))]
    }
    #expect(refused)
    seen.add()
    bulk.join()
    #expect(failed.count == 0)
    #expect(model.each(texts, impatient).allSatisfy { (try? $0.get()) != nil })
  }

  /// Where answers came from, how many tokens they had, and that texts nobody waits for are counted.
  @Test func aCallIsTallied() throws {
    let library = try Library()
    let model = try library.open {
      $0.threads = 1
      $0.cacheBytes = 1_000_000
    }
    let texts = library.texts([5, 9, 5])
    for (kept, priority) in [(0, RequestOptions.Priority.bulk), (3, .automatic)] {
      let tally = AnswerTally()
      #expect(tally.waited == nil)
      #expect(model.each(texts, RequestOptions(priority: priority, tally: tally)).count == 3)
      #expect((tally.kept, tally.computed, tally.tokens) == (kept, 3 - kept, 19))
      #expect(tally.isBulk == (priority == .bulk))
      #expect((tally.waited == nil) == (kept == 3))
    }
    #expect((model.load.cancelledTexts, model.load.lateTexts) == (0, 0))
    // Behind bulk work without an end, so that there is some whenever the machine lets this thread look, and which is
    // cancelled with texts that wait.
    let many = library.texts((0..<2_000).map { $0 % 500 + 1 })
    let (cancellation, last, seen) = (Cancellation(), AnswerTally(), Tally())
    let bulk = WaitingThread {
      repeat {
        _ = model.each(many, RequestOptions(priority: .bulk, cancellation: cancellation))
      } while seen.count == 0
    }
    while model.load.waitingTexts < 1_000 { sched_yield() }
    let behind = WaitingThread {
      _ = model.each(library.texts([7, 8]), RequestOptions(priority: .bulk, tally: last))
    }
    seen.add()
    cancellation.cancel()
    bulk.join()
    behind.join()
    #expect((1...many.count).contains(model.load.cancelledTexts))
    #expect(try #require(last.waited) > .zero)
  }

  /// In the child of a process: unused, used before, and closed.
  @Test(arguments: ["idle", "used", "closed", "family"])
  func modelsWorkBehindAFork(_ state: String) throws { try fork(state) }

  @Test func aBusyModelWorksBehindAFork() throws { try fork("busy") }

  private func fork(_ state: String) throws {
    let library = try Library()
    let outcome = try Program("LibraryProbe")(state, library.path)
    #expect(outcome.code == 0, "\(outcome.errors)")
  }
}

extension Model {
  /// `embedEach`, blocking, where only a task could be meant otherwise.
  func each(_ texts: [TextInput], _ request: RequestOptions) -> [Result<[Float], BertError>] {
    embedEach(texts, request: request)
  }
}

/// The blocking call, from a thread that is no task.
private func blocking(_ model: Model, _ texts: [TextInput]) -> [[UInt32]] {
  (try? model.embed(texts).map(\.bits)) ?? []
}
