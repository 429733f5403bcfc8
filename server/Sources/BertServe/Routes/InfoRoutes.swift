import Bertq
import JSONText
import ServeShapes

/// What is served, and whether it is well.
enum InfoRoutes {
  static let all =
    [
      Route(.GET, "/v1/models", .openAI, models), Route(.GET, "/models", .openAI, models),
      Route(.GET, "/v1/models/{}", .openAI, model), Route(.GET, "/info", .tei, info),
      Route(.GET, "/api/tags", .ollama, tags),
      Route(.GET, "/api/version", .ollama, isOpen: true, version),
      Route(.GET, "/health/ready", .tei, isOpen: true, ready),
      Route(.GET, "/metrics", .openAI, isOpen: true, metrics),
      Route(.GET, "/openapi.json", .openAI, document),
    ]
    + ["/health", "/health/live", "/ping", "/"].map { Route(.GET, $0, .tei, isOpen: true, live) }

  private static func entry(_ served: NamedModel) -> JSON {
    [
      "id": .string(served.name), "object": "model", "created": .integer(served.opened),
      "owned_by": "bertq", "fingerprint": .string(served.model.fingerprint),
      "head_fingerprint": served.model.headFingerprint.map { .string($0) } ?? .null,
    ]
  }

  private static func reply(_ value: JSON) -> Reply {
    var text = AnswerText()
    text.value(value)
    return Reply(text)
  }

  @Sendable static func models(_ call: Call) async throws -> Reply {
    reply(["object": "list", "data": .array(call.server.models.all.map(entry))])
  }

  @Sendable static func model(_ call: Call) async throws -> Reply {
    let all = call.server.models.all
    guard let found = all.first(where: { $0.name == call.parameter }) else {
      throw ServeError(
        .unknownModel,
        "no model is called '\(call.parameter?.prefix(80) ?? "")'; there are "
          + all.map { "'\($0.name)'" }.joined(separator: ", "))
    }
    return reply(entry(found))
  }

  /// text-embeddings-inference's `/info`, and what a client may want to know of how we answer.
  @Sendable static func info(_ call: Call) async throws -> Reply {
    let settings = call.server.settings
    let all = call.server.models.all
    guard let served = all.first else { throw ServeError(.unavailable, "no model is open") }
    let described = all.map { JSON.object(describe($0)) }
    var members = describe(served)
    members["max_client_batch_size"] = .integer(settings.inputLimit)
    members["payload_limit"] = .integer(settings.bodyLimit)
    members["max_concurrent_requests"] = .integer(settings.connectionLimit)
    members["auto_truncate"] = false
    members["queue_ms"] =
      settings.longestQueue.map { .integer(Int($0.nanoseconds / 1_000_000)) } ?? .null
    members["version"] = .string(Release.version)
    members["sha"] = .null
    members["docker_label"] = .null
    if all.count > 1 { members["models"] = .array(described) }
    return reply(.object(members))
  }

  private static func describe(_ served: NamedModel) -> JSONObject {
    let (model, info) = (served.model, served.model.info)
    let type: JSON =
      switch info.task {
      case "classify", "rerank":
        [info.task == "rerank" ? "reranker" : "classifier": labels(info.labels)]
      default: ["embedding": ["pooling": .string(info.poolings.joined(separator: "+"))]]
      }
    return [
      "model_id": .string(info.publishedName.isEmpty ? served.name : info.publishedName),
      "model_sha": .null, "served_model_name": .string(served.name),
      "model_dtype": .string(model.precision == .int8 ? "int8" : "float32"), "model_type": type,
      "max_input_length": .integer(model.tokenLimit), "dimensions": .integer(model.dimensions),
      "normalizes": .bool(info.normalizes),
      "default_prompt": info.defaultPrompt.map { .string($0) } ?? .null,
      "fingerprint": .string(model.fingerprint),
      "head_fingerprint": model.headFingerprint.map { .string($0) } ?? .null,
      "task": .string(info.task),
      "tasks": .array(model.tasks.map { .string($0) }),
    ]
  }

  private static func labels(_ names: [String]) -> JSON {
    let byID = names.enumerated().map { ("\($0.offset)", JSON.string($0.element)) }
    let byName = names.enumerated().map { ($0.element, JSON.integer($0.offset)) }
    return ["id2label": .object(JSONObject(byID)), "label2id": .object(JSONObject(byName))]
  }

  /// The description of all routes.
  @Sendable static func document(_ call: Call) async throws -> Reply {
    reply(OpenAPIDocument(server: call.server, routes: RouteTable.ours.all).json)
  }

  /// Ollama's list of models.
  @Sendable static func tags(_ call: Call) async throws -> Reply {
    let models = call.server.models.all.map { served -> JSON in
      [
        "name": .string(served.name), "model": .string(served.name),
        "digest": .string(served.model.fingerprint), "size": 0,
        "details": ["format": "bertq", "family": "bert"],
      ]
    }
    return reply(["models": .array(models)])
  }

  @Sendable static func version(_ call: Call) async throws -> Reply {
    reply(["version": .string(Release.version)])
  }

  @Sendable static func live(_ call: Call) async throws -> Reply { reply(["status": "ok"]) }

  @Sendable static func ready(_ call: Call) async throws -> Reply {
    if call.server.isDraining {
      throw ServeError(.unavailable, "the server is ending").with("retry-after", "1")
    }
    return reply(["status": "ok"])
  }

  @Sendable static func metrics(_ call: Call) async throws -> Reply {
    let (server, facts) = (call.server, ProcessFacts())
    let instruments = server.instruments
    instruments.gauge("bertq_connections", Double(server.connections.load(ordering: .relaxed)))
    instruments.gauge("bertq_held_bytes", Double(server.memory.count))
    instruments.gauge("process_resident_memory_bytes", Double(facts.residentBytes))
    instruments.gauge("process_start_time_seconds", Double(ProcessFacts.startSeconds))
    instruments.total("process_cpu_seconds_total", facts.cpuSeconds)
    for served in server.models.all { instruments.note(served.model.load, of: served.name) }
    return Reply(
      Array(server.metrics.text().utf8), type: "text/plain; version=0.0.4; charset=utf-8")
  }
}
