import BertErrors
import BertModel
import BertRuntime
import Bertq
import Fixtures
import Testing

/// Every head of every tiny checkpoint, as stored, in half precision and in other containers, against the
/// reference's outputs.
struct HeadParityTests {
  /// An output of the oracle, the head that gives it, and the column of the head's scores that it is;
  /// nil for all columns.
  struct Output: Sendable {
    let folder: String
    let name: String
    var column: Int?
    let head: @Sendable (HeadSource) throws -> any Head
  }

  static let outputs: [Output] = [
    Output(folder: "pretraining", name: "prediction_logits") {
      try PretrainingHeads($0).maskedWords
    },
    Output(folder: "pretraining", name: "seq_relationship_logits") {
      try PretrainingHeads($0).nextSentence
    },
    Output(folder: "maskedlm", name: "logits") { try MaskedWordsHead($0) },
    Output(folder: "maskedlm_untied", name: "logits") { try MaskedWordsHead($0) },
    Output(folder: "nsp", name: "logits") { try NextSentenceHead($0) },
    Output(folder: "seqcls1", name: "logits") { try TextClassifierHead($0) },
    Output(folder: "seqcls2", name: "logits") { try TextClassifierHead($0) },
    Output(folder: "seqcls5", name: "logits") { try TextClassifierHead($0) },
    Output(folder: "tokencls", name: "logits") { try TokenClassifierHead($0) },
    Output(folder: "qa", name: "start_logits", column: AnswerHead.start) { try AnswerHead($0) },
    Output(folder: "qa", name: "end_logits", column: AnswerHead.end) { try AnswerHead($0) },
    Output(folder: "multiplechoice", name: "logits") { try MultipleChoiceHead($0) },
  ]

  /// No output of any oracle is left out, here or in `TinyCheckpointTests`.
  @Test(
    .enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"),
    arguments: TinyCheckpointTests.folders)
  func everyOutputIsCompared(_ folder: String) throws {
    let oracle = try Oracle(SharedData.path("tiny/\(folder)/oracle.safetensors"))
    let compared = Set(Self.outputs.filter { $0.folder == folder }.map(\.name))
      .union(["last_hidden_state", "hidden_last", "pooler_output"])
    let prefixes = Set(TinyCheckpointTests.variants.map(\.prefix))
    let tags = Set(oracle.tags)
    for name in oracle.names where name.contains(".out.") {
      let parts = name.split(separator: ".").map { String($0) }
      let prefix = parts.count == 4 ? parts[0] + "." : ""
      #expect(
        compared.contains(parts[parts.count - 1]) && tags.contains(parts[parts.count - 3])
          && prefixes.contains(prefix), "\(name)")
    }
    #expect(oracle.names.contains { $0.contains(".out.") })
  }

  @Test(
    .enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"),
    arguments: outputs.indices)
  func scoresAreTheReferences(_ index: Int) throws {
    let output = Self.outputs[index]
    let path = SharedData.path("tiny/" + output.folder)
    let oracle = try Oracle(path + "/oracle.safetensors")
    for (file, prefix) in TinyCheckpointTests.variants where exists(path + "/" + file) {
      let model = try PublishedCheckpoint.converted(
        path + "/" + file, "--config", path + "/config.json", "--vocab", path + "/vocab.txt")
      var compared = 0
      for tag in oracle.tags where oracle.has("\(prefix)\(tag).out.\(output.name)") {
        let inputs = try oracle.inputs(tag)
        let scores = try model.floatScores(
          inputs.map { TextInput(ids: $0.ids, types: $0.types) }, output.head)
        let expected = try oracle.floats("\(prefix)\(tag).out.\(output.name)")
        // A row for each token of the padded matrix, or one for each text.
        let columns = output.column == nil ? scores.width : 1
        let isOfTokens = expected.count > inputs.count * columns
        for (text, input) in inputs.enumerated() {
          let first = isOfTokens ? input.firstRow : text
          let rows = isOfTokens ? input.ids.count : 1
          let found = scores.rows(text).flatMap { row -> [Float] in
            output.column.map { [scores[row][scores[row].startIndex + $0]] } ?? Array(scores[row])
          }
          #expect(
            largestDifference(found, expected[(first * columns)..<((first + rows) * columns)])
              <= parityTolerance, "\(file) \(tag) \(text)")
          compared += 1
        }
      }
      #expect(compared > 0, "\(file)")
    }
  }
}
