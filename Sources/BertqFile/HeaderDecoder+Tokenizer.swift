import BertErrors
import BertModel
import CBertqHeader

extension Header {
  /// A tokenizer's settings.
  static func settings(_ stored: Bertq__Tokenizer) throws(BertError) -> TokenizerSettings {
    var settings = TokenizerSettings()
    settings.kind = try kind(stored)
    settings.unknownToken = try text(stored.unknown_token, "the unknown token")
    settings.classToken = try text(stored.class_token, "the class token")
    settings.separatorToken = try text(stored.separator_token, "the separator token")
    settings.padToken = try text(stored.pad_token, "the pad token")
    settings.maskToken = try text(stored.mask_token, "the mask token")
    for piece in try pointers(stored.single, stored.n_single, "pieces of a template") {
      settings.single.append(try templatePiece(piece.pointee))
    }
    for piece in try pointers(stored.pair, stored.n_pair, "pieces of a template") {
      settings.pair.append(try templatePiece(piece.pointee))
    }
    for token in try pointers(stored.added_tokens, stored.n_added_tokens, "added tokens") {
      settings.addedTokens.append(try addedToken(token.pointee))
    }
    settings.maximumTokens = stored.has_maximum_tokens != 0 ? Int(stored.maximum_tokens) : nil
    settings.cutsLeft = stored.has_cuts_left != 0 && stored.cuts_left != 0
    return settings
  }

  private static func kind(
    _ stored: Bertq__Tokenizer
  ) throws(BertError) -> TokenizerSettings.Kind {
    let hasTextRules =
      stored.n_normalization > 0 || stored.n_splitting > 0 || stored.has_falls_back_to_bytes != 0
    switch stored.kind {
    case BERTQ__TOKENIZER_KIND__WORD_PIECE:
      guard let rules = stored.word_piece, !hasTextRules else {
        throw BertError(.malformed, "the WordPiece tokenizer lacks its rules, or has another's")
      }
      return .wordPiece(try wordPiece(rules.pointee))
    case BERTQ__TOKENIZER_KIND__BYTE_PAIRS, BERTQ__TOKENIZER_KIND__UNIGRAM:
      guard stored.word_piece == nil else {
        throw BertError(.malformed, "the tokenizer has WordPiece's rules and is of another kind")
      }
      let rules = try textRules(stored)
      return stored.kind == BERTQ__TOKENIZER_KIND__UNIGRAM ? .unigram(rules) : .bytePairs(rules)
    default: throw unknown("the kind of tokenizer", stored.kind.rawValue)
    }
  }

  private static func wordPiece(_ stored: Bertq__WordPiece) throws(BertError) -> WordPieceRules {
    var rules = WordPieceRules()
    rules.lowercase = stored.lowercase != 0
    rules.stripAccents = stored.has_strip_accents != 0 ? stored.strip_accents != 0 : nil
    rules.spaceChinese = stored.space_chinese != 0
    rules.cleansText = stored.has_keeps_controls == 0 || stored.keeps_controls == 0
    rules.maximumWordLength = Int(stored.maximum_word_length)
    rules.continuationPrefix = try text(stored.continuation_prefix, "the continuation prefix")
    return rules
  }

  private static func textRules(_ stored: Bertq__Tokenizer) throws(BertError) -> TextRules {
    var rules = TextRules()
    for step in try pointers(stored.normalization, stored.n_normalization, "normalisation steps") {
      rules.normalization.append(try normalization(step.pointee))
    }
    for step in try pointers(stored.splitting, stored.n_splitting, "splitting steps") {
      rules.splitting.append(try splitting(step.pointee))
    }
    rules.fallsBackToBytes =
      stored.has_falls_back_to_bytes != 0 && stored.falls_back_to_bytes != 0
    return rules
  }

  private static func normalization(
    _ stored: Bertq__NormalizationStep
  ) throws(BertError) -> NormalizationStep {
    if stored.kind == BERTQ__NORMALIZATION__REPLACE {
      return .replace(
        pattern: try text(stored.pattern, "a pattern"),
        content: try text(stored.content, "what replaces a pattern"))
    }
    guard stored.pattern == nil, stored.content == nil else {
      throw BertError(.malformed, "a normalisation step has a pattern that it does not use")
    }
    let steps: [NormalizationStep] = [
      .precompiled, .nfc, .nfd, .nfkc, .nfkd, .lowercase, .stripAccents, .stripLeft, .stripRight,
      .collapseSpaces, .collapseWhiteSpace,
    ]
    guard let step = steps.first(where: { $0.storedKind == stored.kind }) else {
      throw unknown("a normalisation step", stored.kind.rawValue)
    }
    return step
  }

  private static func splitting(_ stored: Bertq__SplittingStep) throws(BertError) -> SplittingStep {
    let said = [stored.has_prefixes_first, stored.has_prefixes_always, stored.has_splits]
      .map { $0 != 0 }
    func expect(_ needed: [Bool]) throws(BertError) {
      if said != needed {
        throw BertError(.malformed, "a splitting step says too little or too much of itself")
      }
    }
    switch stored.kind {
    case BERTQ__SPLITTING__WHITESPACE:
      try expect([false, false, false])
      return .whitespace
    case BERTQ__SPLITTING__METASPACE:
      try expect([true, true, true])
      return .metaspace(
        prefixesFirst: stored.prefixes_first != 0, prefixesAlways: stored.prefixes_always != 0,
        splits: stored.splits != 0)
    case BERTQ__SPLITTING__BYTE_LEVEL:
      try expect([true, false, true])
      return .byteLevel(prefixesFirst: stored.prefixes_first != 0, splits: stored.splits != 0)
    default: throw unknown("a splitting step", stored.kind.rawValue)
    }
  }

  private static func templatePiece(
    _ stored: Bertq__TemplatePiece
  ) throws(BertError) -> TemplatePiece {
    let type = Int(stored.token_type)
    switch stored.part {
    case BERTQ__TEMPLATE_PART__TOKEN:
      return TemplatePiece(.token(try text(stored.token, "a template's token")), tokenType: type)
    case BERTQ__TEMPLATE_PART__FIRST_TEXT, BERTQ__TEMPLATE_PART__SECOND_TEXT:
      if stored.token != nil {
        throw BertError(.malformed, "a template names a token where a text stands")
      }
      return TemplatePiece(
        stored.part == BERTQ__TEMPLATE_PART__FIRST_TEXT ? .firstText : .secondText, tokenType: type)
    default: throw unknown("a template's part", stored.part.rawValue)
    }
  }

  private static func addedToken(_ stored: Bertq__AddedToken) throws(BertError) -> AddedToken {
    var token = AddedToken(try text(stored.text, "an added token"), id: Int(stored.id))
    token.takesSpaceBefore = stored.takes_space_before != 0
    token.takesSpaceBehind = stored.takes_space_behind != 0
    token.isSingleWord = stored.is_single_word != 0
    token.isNormalized = stored.is_normalized != 0
    token.isSpecial = stored.is_special != 0
    return token
  }
}
