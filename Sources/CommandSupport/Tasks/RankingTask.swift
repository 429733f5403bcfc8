import BertErrors
import Bertq
import JSONText

/// All texts are documents of one query: their ranking is one answer, behind the last.
///
/// Only scores are kept, so that memory does not grow with the documents' length.
package final class RankingTask: RecordTask {
  private let model: Model
  private let query: String
  private let prompt: TextPrompt?
  private let top: Int?
  private var ranked: [(place: RankedDocument, id: JSON?)] = []
  private var failed: [FailedRecord] = []

  /// - Parameter prompt: what stands before the query; nil for the file's default.
  /// - Throws: `unsupported`, `usage`.
  package init(
    _ model: Model, query: String, _ options: TaskOptions, prompt: TextPrompt?
  ) throws(BertError) {
    self.model = model
    self.query = query
    self.prompt = prompt
    top = options.top
  }

  package let members = RecordMembers(needed: ["text"])
  package let answersTogether = true

  package func question(_ record: InputRecord) throws(BertError) -> TextQuestion {
    guard let document = try record.text("text") else {
      throw BertError(.malformed, "needs \"text\", the document")
    }
    var input = TextInput(utf8: Array(query.utf8), pair: document)
    input.prompt = try record.prompt() ?? prompt
    return TextQuestion(
      input, try model.tokenize(input, truncates: record.truncates(), defaultPrompt: true))
  }

  package func tokens(_ question: TextQuestion) -> Int { question.tokens.ids.count }
  package func cut(_ question: TextQuestion) -> Int { question.tokens.cut }

  package func answers(_ questions: [TextQuestion]) -> [Result<LabelScore, BertError>] {
    model.relevanceEach(questions.map(\.tokens), request: RequestOptions(priority: .bulk))
  }

  package func write(_ answer: LabelScore, into line: inout [UInt8]) {}

  package func collect(_ index: Int, _ id: JSON?, _ answer: LabelScore) {
    ranked.append(
      (RankedDocument(document: index, score: answer.score, logit: answer.logit), id))
  }

  package func collect(_ failed: FailedRecord) { self.failed.append(failed) }

  /// The ranking, best first, and behind it the documents that have no place in it.
  package func conclude(into line: inout [UInt8]) throws(BertError) {
    let best = self.best
    if best.isEmpty && failed.isEmpty {
      throw BertError(.malformed, "there are no documents to rank for the query")
    }
    line += ",\"ranking\":[".utf8
    var isFirst = true
    for (place, id) in best {
      if !isFirst { line.append(UInt8(ascii: ",")) }
      isFirst = false
      var members: [(String, JSON)] = [("document", .integer(place.document))]
      if let id { members.append(("id", id)) }
      members += [("score", .float(place.score)), ("logit", .float(place.logit))]
      JSON.object(JSONObject(members)).write(into: &line)
    }
    for record in failed {
      if !isFirst { line.append(UInt8(ascii: ",")) }
      isFirst = false
      line += "{\"document\":\(record.index)".utf8
      record.error.writeMember(into: &line)
      line.append(UInt8(ascii: "}"))
    }
    line.append(UInt8(ascii: "]"))
  }

  private var best: ArraySlice<(place: RankedDocument, id: JSON?)> {
    let all = ranked.sorted { a, b in
      let (x, y) = (a.place, b.place)
      return x.score == y.score ? x.document < y.document : x.score > y.score
    }
    return all.prefix(top ?? all.count)
  }

  package var readableConclusion: String? {
    ReadableAnswer(.ranking(best.map(\.place)), of: model).lines(query)
  }
}
