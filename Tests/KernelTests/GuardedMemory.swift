import SystemLibrary

/// Memory of exactly `count` elements that ends where a page begins that nobody can touch, so that
/// a kernel that reads or writes past its end stops the test.
///
/// With `BERTQ_KERNEL_TEST_MALLOC` set it comes from the heap instead, where AddressSanitizer
/// watches both ends.
final class GuardedMemory<Element: BitwiseCopyable> {
  /// The first element.
  let base: UnsafeMutablePointer<Element>
  /// How many elements.
  let count: Int
  private let region: UnsafeMutableRawPointer
  private let regionSize: Int

  private static var onHeap: Bool { getenv("BERTQ_KERNEL_TEST_MALLOC") != nil }

  /// Memory whose bytes are all 0xA5.
  init(count: Int, alignment: Int = MemoryLayout<Element>.alignment) {
    self.count = count
    let size = count * MemoryLayout<Element>.stride
    if Self.onHeap {
      region = .allocate(byteCount: size, alignment: alignment)
      regionSize = 0
      base = region.bindMemory(to: Element.self, capacity: count)
    } else {
      let page = 65536
      regionSize = (size + alignment + page - 1) / page * page + page
      region =
        mmap(nil, regionSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        ?? .allocate(byteCount: 0, alignment: 1)
      let end = region + (regionSize - page)
      let isGuarded = mprotect(end, page, PROT_NONE) == 0
      if !isGuarded { print("no guard page: \(reason(errno))") }
      let slack = Int(bitPattern: end - size) % alignment
      base = (end - size - slack).bindMemory(to: Element.self, capacity: count)
    }
    memset(base, 0xA5, size)
  }

  /// A copy of `elements`.
  convenience init(_ elements: [Element]) {
    self.init(count: elements.count)
    for (index, element) in elements.enumerated() { base[index] = element }
  }

  deinit {
    if regionSize == 0 { region.deallocate() } else { munmap(region, regionSize) }
  }

  /// The elements as they are now.
  var elements: [Element] { Array(UnsafeBufferPointer(start: base, count: count)) }
  /// Their bytes.
  var bytes: [UInt8] {
    Array(UnsafeRawBufferPointer(start: base, count: count * MemoryLayout<Element>.stride))
  }
}

/// Scratch as the kernels want it: its first byte at a multiple of 64.
func guardedScratch(_ size: Int) -> GuardedMemory<UInt8> {
  GuardedMemory(count: size, alignment: 64)
}

/// The bits of floats; NaN has one form, because its sign and payload differ by architecture.
func bits(_ values: [Float]) -> [UInt32] {
  values.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern }
}
