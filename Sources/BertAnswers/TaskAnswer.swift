import Bertq
import JSONText

/// What a head answered about one text.
package enum TaskAnswer: Sendable {
  case labels(Classification)
  case judged(Classification)
  case ranking([RankedDocument])
  case relevance(LabelScore)
  case entities([Entity])
  case answers([AnswerSpan])
  case masks([FilledMask])
  case isNext(Float)
  case choice(Choice)
  case sparse(SparseWeights)

  /// The members of a result line, beside `index` and `id`.
  package var members: [(String, JSON)] {
    switch self {
    case .labels(let found):
      let labels = ("labels", JSON.array(found.labels.map { Self.json($0, withLogit: true) }))
      guard found.labels.count == 1 else { return [labels] }
      // A single logit is a score rather than a label.
      return [
        ("score", .float(found.best.score)), ("logit", .float(found.best.logit)), labels,
      ]
    case .judged(let found):
      return [("labels", .array(found.labels.map { Self.json($0, withLogit: false) }))]
    case .ranking(let documents): return [("ranking", .array(documents.map(Self.json)))]
    case .relevance(let found):
      return [("score", .float(found.score)), ("logit", .float(found.logit))]
    case .entities(let entities): return [("entities", .array(entities.map(Self.json)))]
    case .answers(let spans): return [("answers", .array(spans.map(Self.json)))]
    case .masks(let masks): return [("masks", .array(masks.map(Self.json)))]
    case .isNext(let probability): return [("is_next", .float(probability))]
    case .choice(let choice):
      return [
        ("choice", .integer(choice.choice)), ("scores", .array(choice.scores.map(JSON.float))),
        ("logits", .array(choice.logits.map(JSON.float))),
      ]
    case .sparse(let vector):
      return [
        ("indices", .array(vector.indices.map { .integer(Int($0)) })),
        ("values", .array(vector.values.map(JSON.float))),
      ]
    }
  }

  /// Appends the members, each with a comma before it.
  package func write(into line: inout [UInt8]) {
    for (name, value) in members {
      line.append(UInt8(ascii: ","))
      JSON.write(name, into: &line)
      line.append(UInt8(ascii: ":"))
      value.write(into: &line)
    }
  }

  private static func json(_ label: LabelScore, withLogit: Bool) -> JSON {
    var members: [(String, JSON)] = [
      ("label", .string(label.label)), ("score", .float(label.score)),
    ]
    if withLogit { members.append(("logit", .float(label.logit))) }
    return .object(JSONObject(members))
  }

  package static func json(_ document: RankedDocument) -> JSON {
    [
      "document": .integer(document.document), "score": .float(document.score),
      "logit": .float(document.logit),
    ]
  }

  private static func json(_ entity: Entity) -> JSON {
    [
      "label": .string(entity.label), "score": .float(entity.score),
      "start": .integer(entity.start),
      "end": .integer(entity.end), "byte_start": .integer(entity.byteStart),
      "byte_end": .integer(entity.byteEnd), "text": .string(entity.text),
    ]
  }

  private static func json(_ span: AnswerSpan) -> JSON {
    [
      "text": .string(span.text), "start": .integer(span.start), "end": .integer(span.end),
      "byte_start": .integer(span.byteStart), "byte_end": .integer(span.byteEnd),
      "score": .float(span.score),
    ]
  }

  private static func json(_ mask: FilledMask) -> JSON {
    var members: [(String, JSON)] = [
      ("start", .integer(mask.start)), ("end", .integer(mask.end)),
      (
        "candidates",
        .array(
          mask.candidates.map {
            ["token": .string($0.token), "id": .integer(Int($0.id)), "score": .float($0.score)]
          })
      ),
    ]
    if mask.isInPair { members.insert(("in_pair", true), at: 0) }
    return .object(JSONObject(members))
  }
}
