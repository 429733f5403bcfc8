import BertErrors
import BertTokenize

/// A token of a text, and where it lies.
///
///     for token in try model.placedTokens("a window") { print(token.id, token.byteStart, token.byteEnd) }
public struct PlacedToken: Sendable, Equatable {
  /// The id in the vocabulary.
  public let id: Int32
  /// Whether it frames the text and is no part of it; then it lies nowhere, and all its places are 0.
  public let isSpecial: Bool
  /// The first Unicode scalar of the text that it covers.
  public let start: Int
  /// One behind the last.
  public let end: Int
  /// The first byte, in UTF-8.
  public let byteStart: Int
  /// One behind the last.
  public let byteEnd: Int
  /// The part of the text that it covers, as given.
  public let text: String
}

extension Model {
  /// A text's tokens with their places, nothing cut, behind its prompt if it names one: places count from the
  /// beginning of the prompt.
  ///
  /// - Parameters:
  ///   - text: a `String`, or a `TextInput` of one text.
  ///   - addsSpecials: puts the tokens around it that the model expects.
  /// - Throws: `notUTF8`; `malformed` for token ids or a pair, or a prompt that the file does not have; `unsupported`
  ///   when the file has no vocabulary.
  public func placedTokens(
    _ text: some ModelInput, addsSpecials: Bool = true
  ) throws(BertError) -> [PlacedToken] {
    let input = text.textInput
    if input.pair != nil || input.ids != nil || input.words != nil {
      throw BertError(.malformed, "the places of tokens can be asked for of a single text only")
    }
    let bytes = Array(try served.promptText(of: input).utf8) + input.text
    let bare = try served.bareTokens(bytes)
    let framed =
      addsSpecials ? try served.requireTokenizer().framed(bare) : nil
    let places = TextPlaces(bytes)
    return zip(framed?.ids ?? bare.ids, framed?.spans ?? bare.spans).map { id, span in
      let (start, end) = (Int(span.start), Int(span.end))
      return PlacedToken(
        id: id, isSpecial: span.word < 0, start: start, end: end,
        byteStart: places.byte(start), byteEnd: places.byte(end),
        text: places.text(start..<end))
    }
  }
}
