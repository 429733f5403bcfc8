import JSONText
import Logging

/// Writes a log as JSON lines on standard error: `time`, `level`, `event`, and what is said beside it.
///
/// Nothing that a client sends as a text is ever logged.
package struct LogLines: LogHandler {
  package var logLevel = Logger.Level.info
  package var metadata: Logger.Metadata = [:]

  package init(level: Logger.Level) { logLevel = level }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    var members: JSONObject = [
      "time": .string(Clocks.text), "level": .string(event.level.rawValue),
      "event": .string(event.message.description),
    ]
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    for (key, value) in all.sorted(by: { $0.key < $1.key }) {
      members[key] = .string(value.description)
    }
    var line: [UInt8] = []
    JSON.object(members).write(into: &line)
    line.append(UInt8(ascii: "\n"))
    StandardError.write(line)
  }
}
