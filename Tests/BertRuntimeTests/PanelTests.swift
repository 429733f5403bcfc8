import BertKernels
import BertModel
import Testing

/// Weights lie in a file as the kernels read them.
struct PanelTests {
  @Test func theFilesPanelsAreTheKernels() {
    #expect(TensorLayout.panelWidth == BK_PANEL)
    #expect(TensorLayout.panelDepth == BK_GROUP)
  }
}
