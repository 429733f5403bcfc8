import ArgumentParser

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
      guard let message = message(about: error, arguments) else { exit(withError: error) }
      exit(withError: ValidationError(message))
    }
  }

  /// What to say instead of the parser's own message; nil where that is right.
  private static func message(about error: any Error, _ arguments: [String]) -> String? {
    let options = arguments.prefix { $0 != "--" }
    let isHelp = exitCode(for: error) == .success
    if isHelp, options.contains(where: { ["-h", "-help", "--help"].contains($0) }) { return nil }
    let stray = options.first { $0.hasPrefix("-") && !$0.hasPrefix("--") && $0 != "-" }
    var found = Self.message(for: error)
    if let stray, isHelp || found.hasPrefix("Missing expected argument") {
      found = "Unknown option '\(stray)'"
    }
    guard found.hasPrefix("Unknown option") else { return nil }
    return found + """

      An argument that begins with a dash and is no option goes behind '--', after all options: \
      \(_commandName) [<options>] -- ...
      """
  }
}
