import BertErrors
import BertModel
import CBertqHeader

/// A value of the model that the header stores as a protobuf enum.
protocol HeaderEnum: CaseIterable {
  /// Its number in `formats/bertq.proto`.
  var number: UInt32 { get }
  /// What an error message calls the field.
  static var fieldName: String { get }
}

extension HeaderEnum {
  /// The value with this number.
  ///
  /// - Throws: `unsupported`, since a newer version may have added one.
  static func decode(_ number: UInt32) throws(BertError) -> Self {
    for value in allCases where value.number == number { return value }
    throw BertError(
      .unsupported,
      "\(fieldName) is number \(number), which this program does not know; use a newer one")
  }
}

extension Activation: HeaderEnum {
  static var fieldName: String { "the activation" }
  var number: UInt32 {
    switch self {
    case .gelu: BERTQ__ACTIVATION__GELU.rawValue
    case .geluTanh: BERTQ__ACTIVATION__GELU_TANH.rawValue
    case .relu: BERTQ__ACTIVATION__RELU.rawValue
    case .silu: BERTQ__ACTIVATION__SILU.rawValue
    }
  }
}

extension OutputActivation: HeaderEnum {
  static var fieldName: String { "an output's activation" }
  var number: UInt32 {
    switch self {
    case .identity: BERTQ__ACTIVATION__IDENTITY.rawValue
    case .tanh: BERTQ__ACTIVATION__TANH.rawValue
    case .relu: BERTQ__ACTIVATION__RELU.rawValue
    case .gelu: BERTQ__ACTIVATION__GELU.rawValue
    case .geluTanh: BERTQ__ACTIVATION__GELU_TANH.rawValue
    case .sigmoid: BERTQ__ACTIVATION__SIGMOID.rawValue
    case .silu: BERTQ__ACTIVATION__SILU.rawValue
    }
  }
}

extension SparseWeight: HeaderEnum {
  static var fieldName: String { "a sparse vector's weight" }
  var number: UInt32 {
    switch self {
    case .log1pRelu: BERTQ__SPARSE_WEIGHT__LOG1P_RELU.rawValue
    case .reluOfToken: BERTQ__SPARSE_WEIGHT__RELU_OF_TOKEN.rawValue
    case .log1pLog1pRelu: BERTQ__SPARSE_WEIGHT__LOG1P_LOG1P_RELU.rawValue
    }
  }
}

extension Pooling: HeaderEnum {
  static var fieldName: String { "the pooling" }
  var number: UInt32 {
    switch self {
    case .mean: BERTQ__POOLING__MEAN.rawValue
    case .cls: BERTQ__POOLING__CLS.rawValue
    case .pooler: BERTQ__POOLING__POOLER.rawValue
    case .max: BERTQ__POOLING__MAX.rawValue
    case .meanSqrtLength: BERTQ__POOLING__MEAN_SQRT_LENGTH.rawValue
    case .weightedMean: BERTQ__POOLING__WEIGHTED_MEAN.rawValue
    case .lastToken: BERTQ__POOLING__LAST_TOKEN.rawValue
    }
  }
}

extension ModelTask: HeaderEnum {
  static var fieldName: String { "the task" }
  var number: UInt32 {
    switch self {
    case .embedding: BERTQ__TASK__EMBEDDING.rawValue
    case .tokens: BERTQ__TASK__TOKENS.rawValue
    case .pooled: BERTQ__TASK__POOLED.rawValue
    case .fillMask: BERTQ__TASK__FILL_MASK.rawValue
    case .nextSentence: BERTQ__TASK__NEXT_SENTENCE.rawValue
    case .classify: BERTQ__TASK__CLASSIFY.rawValue
    case .tag: BERTQ__TASK__TAG.rawValue
    case .answer: BERTQ__TASK__ANSWER.rawValue
    case .rerank: BERTQ__TASK__RERANK.rawValue
    case .choose: BERTQ__TASK__CHOOSE.rawValue
    case .sparse: BERTQ__TASK__SPARSE.rawValue
    case .multiVector: BERTQ__TASK__MULTI_VECTOR.rawValue
    }
  }
}

extension ElementType: HeaderEnum {
  static var fieldName: String { "the element type" }
  var number: UInt32 {
    switch self {
    case .float32: BERTQ__ELEMENT_TYPE__F32.rawValue
    case .int8: BERTQ__ELEMENT_TYPE__I8.rawValue
    case .int32: BERTQ__ELEMENT_TYPE__I32.rawValue
    case .uint8: BERTQ__ELEMENT_TYPE__U8.rawValue
    case .float16: BERTQ__ELEMENT_TYPE__F16.rawValue
    }
  }
}

extension TensorLayout: HeaderEnum {
  static var fieldName: String { "the layout" }
  var number: UInt32 {
    switch self {
    case .rowMajor: BERTQ__LAYOUT__ROW_MAJOR.rawValue
    case .floatPanels: BERTQ__LAYOUT__PANELS_32X1.rawValue
    case .int8Panels: BERTQ__LAYOUT__PANELS_32X4.rawValue
    }
  }
}
