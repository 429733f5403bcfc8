import BertRuntime

/// The largest difference of any element; infinite when a value is NaN or the counts differ.
package func largestDifference<Found: BinaryFloatingPoint, Expected: BinaryFloatingPoint>(
  _ found: some Collection<Found>, _ expected: some Collection<Expected>
) -> Double {
  guard found.count == expected.count else { return .infinity }
  let largest = VectorDifference(reference: expected, other: found).largest
  return largest.isNaN ? .infinity : largest
}
