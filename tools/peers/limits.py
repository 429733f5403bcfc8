"""What limits the runtimes of the comparison to some instructions."""

# What limits each runtime to some instructions, so that one machine shows what others will. ONNX Runtime has no such switch: it
# asks the CPU; llama.cpp is built for one. They are left out of these comparisons. OpenVINO asks the CPU too whether int8
# activations made at run time are worth it, which they are not without VNNI: told otherwise, it finds no kernel and answers nothing.
# Without a limit each takes the best it knows, AMX and i8mm too.
LIMITS = {
    "avx2": {
        "bertq": {"BERTQ_KERNELS": "avx2"},
        "ctranslate2": {"CT2_FORCE_CPU_ISA": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
        "openvino": {"ONEDNN_MAX_CPU_ISA": "AVX2", "BERTQ_OPENVINO_GROUP": "0"},
    },
    "avxvnni": {
        "bertq": {"BERTQ_KERNELS": "avxvnni"},
        "ctranslate2": {"CT2_FORCE_CPU_ISA": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2_VNNI"},
        "openvino": {"ONEDNN_MAX_CPU_ISA": "AVX2_VNNI"},
    },
    "avx512vnni": {
        "bertq": {"BERTQ_KERNELS": "avx512vnni"},
        "ctranslate2": {"CT2_FORCE_CPU_ISA": "AVX512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
        "openvino": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
    },
    "neon-dot": {"bertq": {"BERTQ_KERNELS": "neon-dot"}},
}
# What a CPU must have for each limit, as Linux names it.
LIMIT_FLAGS = {"avx2": "avx2", "avxvnni": "avx_vnni", "avx512vnni": "avx512_vnni", "neon-dot": "asimddp"}
# What a table calls each.
LIMIT_NAMES = {
    "avx2": "AVX2", "avxvnni": "AVX-VNNI", "avx512vnni": "AVX-512 with VNNI", "neon-dot": "NEON with dot products"}
