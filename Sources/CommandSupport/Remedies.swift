import BertErrors

/// What libraries leave open of an error: which option of these programs helps.
enum Remedies {
  private static let options: [BertError.Remedy: String] = [
    .truncate: "shorten it, or pass --truncate to cut it",
    .replaceInvalidUTF8:
      "convert the input (iconv -f LATIN1 -t UTF-8), or pass --invalid-utf8 replace",
    .convertToUTF8: "convert the input (iconv -f LATIN1 -t UTF-8)",
    .computeLessAtOnce: "lower --token-budget or --threads",
    .nameConfiguration: "name one with --config",
    .nameVocabulary: "name one with --vocab, or pass --no-calibration",
    .convertForIDs: "--ids-only does that",
    .convertWithoutCalibration:
      "--no-calibration or --weights float converts it all the same",
    .storeBothPrecisions: "bert-convert --weights both stores both precisions",
    .allowMoreDrift: "ask --max-drift for less, or pass --weights float",
  ]

  /// What goes behind the error's message.
  static func text(_ remedy: BertError.Remedy) -> String {
    options[remedy].map { "; \($0)" } ?? ""
  }
}
