import BertErrors
import BertKernels
import BertModel
import BertQuantize
import BertRuntime
import Fixtures
import Testing

/// Keeping linears in float until the drift fits.
struct BudgetTests {
  private static func drift(_ model: GeneratedModel) throws -> HeldOutDrift {
    let linears = try CalibratedQuantizerTests.quantized(model)
    return try HeldOutDrift(
      source: try model.store { linears[LinearName($0, $1)]?.0 },
      batch: try CalibratedQuantizerTests.batch(model), kernels: KernelSet.available[0],
      team: ThreadTeam(count: 1))
  }

  private let model = GeneratedModel(CalibratedQuantizerTests.configuration())

  private func search(_ budget: DriftBudget, _ drift: HeldOutDrift) throws -> BudgetSearch.Result {
    try BudgetSearch(
      budget: budget, drift: drift, configuration: model.configuration
    ).run()
  }

  @Test func whatFitsStaysAsItIs() throws {
    let result = try search(DriftBudget(cosine: 0.5, sqnr: 3), try Self.drift(model))
    #expect(result.kept.isEmpty)
    #expect(result.before.sqnr == result.after.sqnr)
  }

  @Test(arguments: [0.5, 1.5])
  func whatDoesNotFitKeepsLinearsInFloatAndNoneTooMany(_ decibels: Double) throws {
    let drift = try Self.drift(model)
    let before = try drift.measure([])
    let budget = try DriftBudget(sqnr: before.sqnr + decibels)
    let result = try search(budget, drift)
    let kept = Set(result.kept.map(\.linear))
    #expect(!kept.isEmpty && kept.count < 8)
    #expect(result.kept.allSatisfy { !$0.reason.isEmpty })
    let reached = try drift.measure(kept)
    #expect(budget.holds(reached))
    for linear in kept where kept.count > 1 {
      let fewer = try drift.measure(kept.subtracting([linear]))
      #expect(!budget.holds(fewer))
    }
  }

  @Test func theWorstCosineIsABudgetToo() throws {
    let drift = try Self.drift(model)
    let worst = try drift.measure([]).worstCosine
    let result = try search(DriftBudget(cosine: worst + (1 - worst) * 0.2), drift)
    #expect(!result.kept.isEmpty)
    #expect(result.after.worstCosine > worst)
  }

  @Test func whatCannotBeKeptFailsAsTheGateDoes() throws {
    let drift = try Self.drift(model)
    #expect(throws: BertError(.driftGate, "")) { try search(DriftBudget(sqnr: 200), drift) }
  }

  @Test func budgetsThatNothingKeepsOrThatAskForNothingAreRefused() {
    #expect(throws: BertError(.usage, "")) { try DriftBudget() }
    #expect(throws: BertError(.usage, "")) { try DriftBudget(cosine: 1) }
  }

  @Test(arguments: ["", "balance", "no-balance,", "no-balance no-signs"])
  func otherRecipesAreRefused(_ text: String) {
    #expect(throws: BertError(.usage, "")) { try Recipe.parse(text) }
  }

  @Test func recipesAreWrittenAsTheyAreRead() throws {
    for text in ["no-balance", "no-rotation,no-signs", "no-balance,no-rotation,no-signs,nearest"] {
      #expect(try Recipe.parse(text).omitted == text)
    }
    #expect(Recipe.standard.omitted.isEmpty)
  }

  @Test func theBuiltInTextsAreManyAndVaried() {
    let texts = CalibrationTexts.all
    #expect((400...600).contains(texts.count))
    #expect(Set(texts).count == texts.count)
    #expect(texts.allSatisfy { !$0.isEmpty && !$0.hasPrefix(" ") && !$0.hasSuffix(" ") })
    let words = texts.map { $0.split(separator: " ").count }
    #expect(words.min() == 1 && (words.max() ?? 0) >= 55)
    // Languages take turns with English: every eighth text, as a budget holds out, has both.
    let isForeign = { (text: String) in text.unicodeScalars.contains { $0.value >= 0xC0 } }
    let heldOut = Swift.stride(from: 7, to: texts.count, by: 8).filter { isForeign(texts[$0]) }
    #expect(heldOut.count > texts.count / 8 / 5)
  }
}
