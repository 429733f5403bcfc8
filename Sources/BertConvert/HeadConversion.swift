import BertErrors
import BertImport
import BertModel
import BertQuantize
import BertqFile

/// The heads' linears that the int8 path computes in int8: the masked-word decoder, which has as many weights
/// as all word embeddings.
///
/// Others are so small that int8 saves nothing.
struct HeadConversion {
  private let model: ImportedModel
  private let quantizer: PlainQuantizer

  /// Nil where no head gains by int8.
  init?(_ model: ImportedModel, _ quantizer: PlainQuantizer) {
    guard Self.pays(model) else { return nil }
    self.model = model
    self.quantizer = quantizer
  }

  /// Weights from which on reading them takes longer than what int8 adds: they leave a core's cache.
  private static let fewestWeights = 1 << 20

  private static func pays(_ model: ImportedModel) -> Bool {
    let c = model.description.configuration
    return model.heads.contains(.maskedWords)
      && c.vocabularySize * c.embeddingWidth >= fewestWeights
  }

  /// The tensors that they have in a file.
  static func tensors(_ model: ImportedModel) -> [BertqTensor] {
    guard pays(model) else { return [] }
    let c = model.description.configuration
    return QuantizedLinear.tensors(
      CanonicalName.maskedDecoder, outputs: c.vocabularySize, inputs: c.embeddingWidth
    ).map {
      BertqTensor($0.requirement.name, $0.elementType, $0.requirement.layout, $0.requirement.shape)
    }
  }

  /// Quantises them and writes their tensors.
  func write(_ writer: BertqWriter) throws(BertError) {
    let own = CanonicalName.maskedDecoder + FloatPart.weight
    let isTied = !model.tensors.contains { $0.name == own }
    let store = TensorStore(model: model.description)
    try quantizer.quantizeDecoder(isTied: isTied).add(
      to: store, named: CanonicalName.maskedDecoder)
    for tensor in Self.tensors(model) {
      if let view = store.find(tensor.name) { try writer.append(tensor.name, view.bytes) }
    }
  }
}
