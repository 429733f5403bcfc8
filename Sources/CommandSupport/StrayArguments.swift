import ArgumentParser
import SystemLibrary

extension ParsableCommand {
  /// Parses the command line and runs the command.
  ///
  /// No option of these commands has one dash and a letter but `-h`. The parser takes `-dash` for
  /// `-d -a -s -h`, and its `-h` for a wish for help, and then a text would be answered with help and
  /// success: so what looks like an option and is none is refused here.
  package static func start() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch {
      let code = exitCode(for: error)
      if let message = message(about: error, arguments) {
        fail(message)
      } else if code == .success || code != .validationFailure {
        exit(withError: error)
      } else {
        fail(Self.message(for: error))
      }
    }
  }

  /// Ends with a usage error, in the words of all other errors.
  private static func fail(_ message: String) -> Never {
    Console.note(
      "\(_commandName): error: \(message)\nUsage: \(usageString())\nSee '\(_commandName) --help'.")
    SystemLibrary.exit(ExitCode.validationFailure.rawValue)
  }

  /// What to say instead of the parser's own message; nil where that is right.
  private static func message(about error: any Error, _ arguments: [String]) -> String? {
    let options = arguments.prefix { $0 != "--" }
    let isHelp = exitCode(for: error) == .success
    if isHelp, options.contains(where: { ["-h", "-help", "--help"].contains($0) }) { return nil }
    let dashed = options.first { $0.hasPrefix("-") && !$0.hasPrefix("--") && $0 != "-" }
    var found = Self.message(for: error)
    let isMissing = found.hasPrefix("Missing expected argument")
    if let stray = dashed ?? (isMissing ? unknown(options) : nil), isHelp || isMissing {
      found = "Unknown option '\(stray)'" + nearest(stray)
    }
    if found.hasPrefix("Missing value for"), let number = options.last(where: isNegative) {
      let option = options.last { $0.hasPrefix("--") } ?? "--option"
      return
        "\(found): '\(number)' begins with a dash, as options do; write it as \(option)=\(number)"
    }
    guard found.hasPrefix("Unknown option") else { return nil }
    return found + """

      An argument that begins with a dash and is no option goes behind '--', after all options: \
      \(_commandName) [<options>] -- ...
      """
  }

  private static func isNegative(_ argument: String) -> Bool {
    argument.hasPrefix("-") && argument.dropFirst().first?.isNumber == true
  }

  /// The first argument that is written like an option and is none of the command's.
  private static func unknown(_ arguments: ArraySlice<String>) -> String? {
    let known = Set(optionNames)
    return arguments.first { argument in
      argument.hasPrefix("--")
        && !known.contains(String(argument.prefix { $0 != "=" }))
    }
  }

  /// The names of all options, as help lists them.
  private static var optionNames: [String] {
    helpMessage(includeHidden: true, columns: 200).split(whereSeparator: { " ,\n".contains($0) })
      .filter { $0.hasPrefix("--") }.map(String.init)
  }

  /// The option that somebody may have meant.
  private static func nearest(_ stray: String) -> String {
    let ranked = Set(optionNames).map { (distance(Array($0.utf8), Array(stray.utf8)), $0) }.sorted {
      $0 < $1
    }
    guard let (distance, name) = ranked.first, distance <= 3 else { return "" }
    return ". Did you mean '\(name)'?"
  }

  /// How many letters must be changed, put in, taken out or exchanged with the next.
  private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var rows = [Array(0...b.count)]
    for i in 1...max(1, a.count) where i <= a.count {
      var row = [i]
      for j in 1...max(1, b.count) where j <= b.count {
        let same = a[i - 1] == b[j - 1] ? 0 : 1
        var best = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + same)
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
          best = min(best, rows[i - 2][j - 2] + 1)
        }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
