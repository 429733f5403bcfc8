import BertErrors
import BertRuntime
import JSONText

/// What callers of the library saw, as lines or as JSON.
package struct CallerReport {
  private let throughput: CallerThroughput
  private let latency: QueryLatency

  /// A report on both measurements of one model.
  package init(_ throughput: CallerThroughput, _ latency: QueryLatency) {
    self.throughput = throughput
    self.latency = latency
  }

  /// The report for a person.
  package var lines: String {
    let fixed: (Double, Int) -> String = DecimalText.fixed
    func milliseconds(_ rounds: [[Double]]) -> String {
      [0.5, 0.99].map { fixed(QueryLatency.quantile(rounds, $0), 3) }.joined(separator: " and ")
    }
    let t = throughput
    return """
      \(t.precision.rawValue), \(t.threads) threads, \(t.callers) callers with one text a call: \
      \(fixed(Cell.median(t.library), 0)) tokens/s, \(fixed(t.ratio * 100, 1)) % of the encoder alone \
      (\(fixed(Cell.median(t.encoder), 0))), \(fixed(Cell.median(t.processorTime), 3)) × its processor time
      a query of \(QueryLatency.queryTokens) tokens at load \(fixed(QueryLatency.load, 1)), p50 and p99: \
      \(milliseconds(latency.alone)) ms alone, \(milliseconds(latency.besideBulk)) ms beside a bulk job
      p99 beside the job: \(fixed(latency.ratio, 2)) × alone; the job keeps \
      \(fixed(latency.bulkRatio * 100, 1)) % of its speed
      """
  }

  /// The report as `--json` writes it; `tokens_per_s` and milliseconds are medians over the rounds.
  package var json: JSON {
    func quantiles(_ rounds: [[Double]]) -> JSON {
      [
        "p50_ms": .number(QueryLatency.quantile(rounds, 0.5)),
        "p99_ms": .number(QueryLatency.quantile(rounds, 0.99)),
      ]
    }
    return [
      "precision": .string(throughput.precision.rawValue), "threads": .integer(throughput.threads),
      "callers": .integer(throughput.callers),
      "encoder_tokens_per_s": .number(Cell.median(throughput.encoder)),
      "library_tokens_per_s": .number(Cell.median(throughput.library)),
      "ratio": .number(throughput.ratio),
      "processor_time_ratio": .number(Cell.median(throughput.processorTime)),
      "query_alone": quantiles(latency.alone), "query_beside_bulk": quantiles(latency.besideBulk),
      "p99_ratio": .number(latency.ratio), "bulk_ratio": .number(latency.bulkRatio),
    ]
  }
}
