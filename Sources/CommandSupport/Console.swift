import BertErrors
import SystemLibrary

/// Standard error and the end of a command.
package enum Console {
  /// Safety: written once, by `begin`, before there is a second thread.
  private nonisolated(unsafe) static var name = ""

  /// Begins a command, before anything is written: what `print` could not write then makes the
  /// command end with `cannotWrite`, whatever it would have ended with.
  package static func begin(_ name: String) {
    self.name = name
    // A closed pipe ends the process by the signal's default, as users of `| head` expect.
    signal(SIGPIPE, SIG_DFL)
    // A file that may not grow (ulimit -f) is then an error of the write, with a message.
    signal(SIGXFSZ, SIG_IGN)
    atexit {
      guard let code = standardOutputFailure() else { return }
      let reason = code == 0 ? "not all could be written" : reason(code)
      let error = BertError(.cannotWrite, "standard output: \(reason)")
      Console.note("\(Console.name): error: \(error)")
      _exit(error.code.exitCode)
    }
  }

  /// Writes a line on standard error.
  package static func note(_ text: String) { write(text + "\n") }

  /// Writes a line on standard output and does not keep it back.
  package static func printNow(_ line: String) {
    print(line)
    fflush(nil)
  }

  static func write(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while let base = rest.baseAddress, !rest.isEmpty {
        let count = SystemLibrary.write(2, base, rest.count)
        if count <= 0 { return }
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
      }
    }
  }

  /// Runs a command's body; an error becomes a message and its exit code.
  package static func run(_ body: () throws -> Void) {
    do {
      try body()
    } catch let error as BertError {
      note("\(name): error: \(error)\(error.remedy.map(Remedies.text) ?? "")")
      exit(error.code.exitCode)
    } catch {
      note("\(name): error: \(error)")
      exit(BertError.Code.system.exitCode)
    }
  }
}
