import BertErrors
import BertModel
import BertqFile
import Fixtures
import Testing

/// What a converted file keeps besides its weights, and in which form it keeps them.
struct StoredFormTests {
  /// The built-in calibration has texts of its own for it; a file of texts gives up one in eight.
  @Test(arguments: ["both", "int8"])
  func conversionKeepsTheDriftThatItMeasured(_ weights: String) throws {
    let shop = try Workshop.converted("--weights", weights)
    let drift = try #require(try ModelFile.open(shop.model).drift)
    #expect(drift.texts > 10 && drift.tokens > drift.texts)
    #expect(drift.sqnr > 10 && drift.sqnr.isFinite)
    #expect(drift.worstCosine <= drift.meanCosine && drift.worstCosine > 0.9)
    #expect(drift.source.hasPrefix("built-in, held out"))
  }

  @Test func bothWaysToTheSameWeightsMeasureTheSame() throws {
    let both = try Workshop.converted()
    let int8 = try Workshop.converted("--weights", "int8")
    let (a, b) = (try ModelFile.open(both.model), try ModelFile.open(int8.model))
    #expect(a.drift == b.drift)
    #expect(a.fingerprints.int8 == b.fingerprints.int8 && b.fingerprints.float == nil)
  }

  @Test(arguments: [["--weights", "float"], ["--no-calibration"]])
  func whatWasNotMeasuredIsNotKept(_ options: [String]) throws {
    let shop = try Workshop()
    #expect(try Program.convert.run([shop.input, shop.model] + options).code == 0)
    #expect(try ModelFile.open(shop.model).drift == nil)
  }

  @Test(arguments: [("f16", ElementType.float16), ("int8", .int8), ("f32", .float32)])
  func wordEmbeddingsAreStoredAsAsked(_ form: String, _ type: ElementType) throws {
    let shop = try Workshop.converted("--embeddings", form)
    let file = try ModelFile.open(shop.model)
    #expect(file.find(CanonicalName.wordEmbeddings)?.elementType == .float32)
    #expect(file.find(CanonicalName.int8Words)?.elementType == (type == .float32 ? nil : type))
    #expect((file.find(CanonicalName.int8WordScales) != nil) == (type == .int8))
    let published = try Workshop.converted()
    let plain = try ModelFile.open(published.model)
    #expect(plain.fingerprints.float == file.fingerprints.float)
    #expect((plain.fingerprints.int8 == file.fingerprints.int8) == (type == .float32))
    // Alone, the int8 path is the same, and needs no other table.
    let alone = try Workshop.converted("--embeddings", form, "--weights", "int8")
    let small = try ModelFile.open(alone.model)
    #expect(small.fingerprints.int8 == file.fingerprints.int8 && small.fingerprints.float == nil)
    #expect((small.find(CanonicalName.wordEmbeddings) != nil) == (type == .float32))
    #expect(small.drift == file.drift, "what rounding words costs is measured too")
    for path in ["--int8", "--float"] {
      let outcome = try Program.run(path, shop.model, "The moon is bright")
      #expect(outcome.code == 0, "\(outcome.errors)")
    }
  }

  @Test func aConvertedFileIsACheckpointToo() throws {
    let shop = try Workshop.converted()
    #expect(try Program.convert(shop.model, shop.output).code == 0)
    let isSame = try readBytes(shop.model) == readBytes(shop.output)
    #expect(isSame, "the same weights, texts and quantiser give the same bytes")
    expectFailure(
      try Program.convert(shop.model, shop.output, "--config", shop.input + "/config.json"), .usage,
      ["configuration and vocabulary it holds"])
    expectFailure(try Program.convert(shop.model, shop.model), .usage, ["would be replaced"])
  }

  @Test func int8WeightsAloneAreNoCheckpoint() throws {
    let shop = try Workshop.converted("--weights", "int8")
    expectFailure(
      try Program.convert(shop.model, shop.output), .unsupported, ["int8 weights alone"])
    #expect(!exists(shop.output))
  }
}
