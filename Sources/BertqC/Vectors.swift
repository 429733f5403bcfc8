import Bertq
import CBertq

/// How vectors are asked of a model.
private typealias VectorMethod = (Model, [TokenizedInput], RequestOptions) -> [Result<
  [Float], BertError
>]

@_cdecl("bertq_embed")
package func bertqEmbed(
  _ pointer: OpaquePointer?, _ input: UnsafePointer<bertq_input>?,
  _ request: UnsafeMutablePointer<bertq_request>?, _ out: UnsafeMutablePointer<Float>?, _ room: Int,
  _ failures: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  vectors(
    pointer, input, request, out, room, failures, error, width: \.dimensions, hasDefaultPrompt: true
  ) {
    $0.embedEach($1, request: $2)
  }
}

@_cdecl("bertq_pooled")
package func bertqPooled(
  _ pointer: OpaquePointer?, _ input: UnsafePointer<bertq_input>?,
  _ request: UnsafeMutablePointer<bertq_request>?, _ out: UnsafeMutablePointer<Float>?, _ room: Int,
  _ failures: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  vectors(
    pointer, input, request, out, room, failures, error, width: \.info.hiddenSize,
    hasDefaultPrompt: false
  ) {
    $0.pooledEach($1, request: $2)
  }
}

private func vectors(
  _ pointer: OpaquePointer?, _ input: UnsafePointer<bertq_input>?,
  _ request: UnsafeMutablePointer<bertq_request>?, _ out: UnsafeMutablePointer<Float>?, _ room: Int,
  _ failures: UnsafeMutablePointer<OpaquePointer?>?, _ place: UnsafeMutablePointer<bertq_error>?,
  width: (Model) -> Int, hasDefaultPrompt: Bool, _ method: VectorMethod
) -> Int32 {
  do throws(BertError) {
    failures?.pointee = nil
    let model = try model(pointer)
    let width = width(model)
    var call = try TokenizedCall(
      model, input, request, stopsAtFailure: failures == nil,
      hasDefaultPrompt: hasDefaultPrompt)
    try requireRoom(call.count, width, out, room)
    // What cannot be tokenized is known before anything is computed.
    if failures == nil, let first = call.failures.first {
      return report(first.error, ofText: first.text, to: place)
    }
    call.deliver(method(model, call.inputs, call.options)) { row, vector in
      copy(vector, to: out, row: row, width: width)
    }
    guard let first = call.failures.first else { return BertqCode.done }
    if let failure = call.failures.first(where: \.error.isOfTheCall) { throw failure.error }
    guard let failures else { return report(first.error, ofText: first.text, to: place) }
    for failure in call.failures {
      (out.map { $0 + failure.text * width })?.update(repeating: .nan, count: width)
    }
    failures.pointee = OwnedText.give(failureLines(call.failures))
    return BertqCode.done
  } catch {
    return report(error, ofText: nil, to: place)
  }
}

/// Copies an answer to where its row begins.
private func copy(
  _ values: [Float], to out: UnsafeMutablePointer<Float>?, row: Int, width: Int
) {
  values.withUnsafeBufferPointer {
    guard let out, let first = $0.baseAddress else { return }
    (out + row * width).update(from: first, count: $0.count)
  }
}

private func requireRoom(
  _ rows: Int, _ width: Int, _ out: UnsafeMutablePointer<Float>?, _ room: Int
) throws(BertError) {
  let (needed, overflows) = rows.multipliedReportingOverflow(by: width)
  if overflows || unsigned(room) < UInt(needed) {
    throw BertError(
      .usage, "\(rows) rows of \(width) numbers do not fit into \(unsigned(room))")
  }
  if needed > 0 && out == nil { throw BertError(.usage, "the place of the rows is NULL") }
}

@_cdecl("bertq_tokens")
package func bertqTokens(
  _ pointer: OpaquePointer?, _ input: UnsafePointer<bertq_input>?,
  _ request: UnsafeMutablePointer<bertq_request>?, _ out: UnsafeMutablePointer<Float>?, _ room: Int,
  _ place: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  do throws(BertError) {
    let model = try model(pointer)
    let width = model.info.hiddenSize
    var call = try TokenizedCall(
      model, input, request, stopsAtFailure: true, hasDefaultPrompt: true)
    try requireRoom(call.inputs.reduce(0) { $0 + $1.ids.count }, width, out, room)
    if call.failures.isEmpty {
      var row = 0
      let starts = call.inputs.map { input in
        defer { row += input.ids.count }
        return row
      }
      call.deliver(model.tokensEach(call.inputs, request: call.options)) { text, tokens in
        copy(tokens.values, to: out, row: starts[text], width: width)
      }
    }
    guard let first = call.failures.first else { return BertqCode.done }
    return report(first.error, ofText: first.text, to: place)
  } catch {
    return report(error, ofText: nil, to: place)
  }
}
