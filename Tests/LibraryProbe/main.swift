import Bertq
import Synchronization
import SystemLibrary

// Forks while a model is open, and checks that it answers the same bits on both sides.
//
//   LibraryProbe idle|used|busy|closed|family MODEL

/// Ends the process with a message.
func fail(_ message: String) -> Never {
  let line = Array("LibraryProbe: \(message)\n".utf8)
  _ = write(2, line, line.count)
  exit(1)
}

let arguments = CommandLine.arguments
guard arguments.count == 3 else { fail("expected a state and a model") }
let (state, path) = (arguments[1], arguments[2])

let texts = [3, 16, 200, 1, 64].map { length in
  TextInput(ids: (0..<Int32(length)).map { ($0 * 7 + Int32(length)) % 97 })
}

func open() -> Model {
  var options = ModelOptions()
  options.threads = 3
  options.cacheBytes = 1 << 16
  do { return try Model(path: path, options: options) } catch { fail("\(error)") }
}

func bits(_ model: Model) -> [[UInt32]] {
  do { return try model.embed(texts).map { $0.map(\.bitPattern) } } catch { fail("\(error)") }
}

/// Runs `body` in a child; ends this process too when the child does not end well.
func inChild(_ body: () -> Void) {
  let child = fork()
  if child < 0 { fail("no fork") }
  if child == 0 {
    alarm(60)
    body()
    exit(0)
  }
  var status: Int32 = 0
  while waitpid(child, &status, 0) < 0, errno == EINTR {}
  if status != 0 { fail("the child ended with \(status)") }
}

// Answered by a model that no child sees.
let expected = bits(open())

func check(_ model: Model) {
  for _ in 0..<3 where bits(model) != expected { fail("other bits") }
}

switch state {
case "idle":
  let model = open()
  inChild { check(model) }
  check(model)
case "used":
  let model = open()
  check(model)
  for _ in 0..<5 { inChild { check(model) } }
  check(model)
case "busy":
  let model = open()
  let isEnding = Atomic<Bool>(false)
  let others = (0..<2).compactMap { _ in
    startThread { while !isEnding.load(ordering: .relaxed) { check(model) } }
  }
  for _ in 0..<20 { inChild { check(model) } }
  isEnding.store(true, ordering: .relaxed)
  for other in others { pthread_join(other, nil) }
  check(model)
case "closed":
  var model: Model? = open()
  if let model { check(model) }
  inChild { model = nil }
  inChild {
    if let model { check(model) }
    model = nil
  }
  if let model { check(model) }
case "family":
  let model = open()
  check(model)
  inChild {
    inChild { check(model) }
    check(model)
    inChild { check(model) }
  }
  check(model)
default: fail("no such state")
}
