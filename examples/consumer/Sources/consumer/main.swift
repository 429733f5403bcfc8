import Bertq
import Glibc

// Prints the vector of each text: consumer MODEL.bertq TEXT ...
let arguments = CommandLine.arguments.dropFirst()
guard let path = arguments.first else {
  print("usage: consumer MODEL.bertq TEXT ...")
  exit(64)
}
do {
  let model = try Model(path: path)
  for vector in try await model.embed(Array(arguments.dropFirst())) { print(vector) }
} catch {
  print("consumer: \(error)")
  exit(error.code.exitCode)
}
