import Bertq
import CBertq
import JSONText

/// A text that the caller holds until it frees it.
///
/// Safety: nobody writes it.
final class OwnedText: @unchecked Sendable {
  let bytes: UnsafeMutableBufferPointer<UInt8>

  init(_ text: [UInt8]) {
    bytes = .allocate(capacity: text.count + 1)
    _ = bytes.initialize(from: text + [0])
  }

  deinit { bytes.deallocate() }

  /// Hands a text to the caller.
  static func give(_ text: [UInt8]) -> OpaquePointer {
    OpaquePointer(Unmanaged.passRetained(OwnedText(text)).toOpaque())
  }

  static func give(_ json: JSON) -> OpaquePointer {
    var bytes: [UInt8] = []
    json.write(into: &bytes)
    return give(bytes)
  }
}

private func owned(_ text: OpaquePointer) -> OwnedText {
  Unmanaged<OwnedText>.fromOpaque(UnsafeRawPointer(text)).takeUnretainedValue()
}

@_cdecl("bertq_text_bytes")
package func bertqTextBytes(_ text: OpaquePointer?) -> UnsafePointer<CChar>? {
  text.flatMap {
    UnsafeRawPointer(owned($0).bytes.baseAddress)?.assumingMemoryBound(to: CChar.self)
  }
}

@_cdecl("bertq_text_size")
package func bertqTextSize(_ text: OpaquePointer?) -> Int {
  text.map { owned($0).bytes.count - 1 } ?? 0
}

@_cdecl("bertq_text_free")
package func bertqTextFree(_ text: OpaquePointer?) {
  if let text { Unmanaged<OwnedText>.fromOpaque(UnsafeRawPointer(text)).release() }
}

@_cdecl("bertq_cancellation_new")
package func bertqCancellationNew() -> OpaquePointer? {
  OpaquePointer(Unmanaged.passRetained(Cancellation()).toOpaque())
}

/// The value behind a caller's pointer.
func cancellation(_ pointer: OpaquePointer?) -> Cancellation? {
  pointer.map {
    Unmanaged<Cancellation>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue()
  }
}

@_cdecl("bertq_cancellation_cancel")
package func bertqCancellationCancel(_ pointer: OpaquePointer?) {
  cancellation(pointer)?.cancel()
}

@_cdecl("bertq_cancellation_free")
package func bertqCancellationFree(_ pointer: OpaquePointer?) {
  if let pointer { Unmanaged<Cancellation>.fromOpaque(UnsafeRawPointer(pointer)).release() }
}
