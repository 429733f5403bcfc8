import BertKernels
import BertModel
import Fixtures
import Testing

@testable import BertQuantize

/// Moments and their Cholesky factor, against sums in double.
struct MatrixTests {
  /// Rows whose inputs differ in width and lean on one another.
  static func rows(_ count: Int, _ inputs: Int, seed: UInt64 = 3) -> [Float] {
    var random = SeededGenerator(seed: seed)
    var x = (0..<(count * inputs)).map { _ in random.normal() }
    for row in 0..<count {
      for k in 1..<max(2, inputs) where k < inputs {
        x[row * inputs + k] += 0.5 * x[row * inputs + k - 1]
        if k % 7 == 0 { x[row * inputs + k] *= 5 }
      }
    }
    return x
  }

  static func statistics(
    _ x: [Float], _ inputs: Int, pieces: Int = 1, threads: Int = 1, kernels: KernelSet? = nil
  ) throws -> InputStatistics {
    let statistics = try InputStatistics(inputs: inputs)
    let set = kernels ?? KernelSet.available[0]
    let count = x.count / inputs
    let scratch = try InputStatistics.Scratch(rows: count, inputs: inputs)
    let product = try FloatProduct(kernels: set, columns: inputs)
    let team = ThreadTeam(count: threads)
    for piece in 0..<pieces {
      let rows = (count * piece / pieces)..<(count * (piece + 1) / pieces)
      x.withUnsafeBufferPointer {
        guard let base = $0.baseAddress else { return }
        statistics.add(
          base + rows.lowerBound * inputs, stride: inputs, count: rows.count, scratch: scratch,
          product: product, team: team)
      }
    }
    return statistics
  }

  @Test(arguments: [(1, 1), (5, 3), (40, 32), (33, 50), (70, 96)])
  func momentsAreThoseOfDoubleSums(_ count: Int, _ inputs: Int) throws {
    let x = Self.rows(count, inputs)
    let found = try Self.statistics(x, inputs, pieces: min(3, count))
    #expect(found.rows == count)
    for i in 0..<inputs {
      for j in 0...i {
        var (sum, size) = (0.0, 0.0)
        for row in 0..<count {
          let term = Double(x[row * inputs + i]) * Double(x[row * inputs + j])
          sum += term
          size += abs(term)
        }
        let difference = abs(Double(found.gram.floats[i * found.stride + j]) - sum)
        #expect(difference <= 1e-5 * size)
      }
    }
  }

  @Test func energiesWeighEveryRowAlike() throws {
    let (count, inputs) = (12, 5)
    var x = Self.rows(count, inputs)
    // A row a thousand times as long must not decide alone; a row of zeros counts for nothing.
    for k in 0..<inputs {
      x[k] *= 1000
      x[inputs + k] = 0
    }
    var (shares, energy) = ([Double](repeating: 0, count: inputs), 0.0)
    for row in 0..<count {
      let squares = (0..<inputs).map { Double(x[row * inputs + $0]) * Double(x[row * inputs + $0]) }
      let length = squares.reduce(0, +)
      energy += length
      for k in 0..<inputs where length > 0 { shares[k] += squares[k] / length }
    }
    for (found, share) in try zip(Self.statistics(x, inputs, pieces: 2).energies, shares) {
      let expected = share / 12 * energy / 12
      #expect(abs(found - expected) <= 1e-12 * expected)
    }
  }

  @Test func momentsAreTheSameBitsOnAnyThreadsAndKernels() throws {
    let x = Self.rows(150, 112)
    let expected = try Self.statistics(x, 112, pieces: 2)
    let bits = { (s: InputStatistics) in
      (0..<112).flatMap { i in (0...i).map { s.gram.floats[i * s.stride + $0].bitPattern } }
    }
    for kernels in KernelSet.available {
      for threads in 1...3 {
        let found = try Self.statistics(x, 112, pieces: 2, threads: threads, kernels: kernels)
        #expect(bits(found) == bits(expected), "\(kernels.name), \(threads) threads")
        #expect(found.energies == expected.energies)
      }
    }
  }

  @Test(arguments: [1, 2, 31, 32, 33, 64, 100])
  func theFactorTimesItselfIsTheMatrix(_ size: Int) throws {
    let statistics = try Self.statistics(Self.rows(2 * size + 3, size), size)
    let stride = statistics.stride
    let matrix = try AlignedBuffer(quantizing: stride * stride)
    let added = 0.01 * Float(size)
    for i in 0..<size {
      for j in 0...i { matrix.floats[i * stride + j] = -statistics.gram.floats[i * stride + j] }
      matrix.floats[i * stride + i] -= added
    }
    let factor = try CholeskyFactor(
      size: size, product: try FloatProduct(kernels: KernelSet.available[0], columns: size),
      team: ThreadTeam(count: 2))
    #expect(factor.factor(matrix.floats))
    for i in 0..<size {
      for j in 0...i {
        var sum = 0.0
        for k in 0...j {
          sum += Double(matrix.floats[i * stride + k]) * Double(matrix.floats[j * stride + k])
        }
        let gram = statistics.gram.floats
        let expected = Double(gram[i * stride + j]) + (i == j ? Double(added) : 0)
        let scale = Double(gram[i * stride + i]) * Double(gram[j * stride + j])
        #expect(abs(sum - expected) <= 2e-5 * scale.squareRoot() + 1e-6)
      }
    }
  }

  @Test func aMatrixThatIsNotPositiveHasNoFactor() throws {
    let factor = try CholeskyFactor(
      size: 40, product: try FloatProduct(kernels: KernelSet.available[0], columns: 40),
      team: ThreadTeam(count: 2))
    for bad in [Float(0), 1, .nan, .infinity] {
      let matrix = try AlignedBuffer(quantizing: factor.stride * factor.stride)
      for i in 0..<40 { matrix.floats[i * factor.stride + i] = i == 35 ? bad : -2 }
      #expect(!factor.factor(matrix.floats))
    }
  }
}
