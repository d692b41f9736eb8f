"""Systems of the literature, one folder each."""

METHODS = {
    "brainec-llm": "brainec_llm.method:BrainECLLM",
    "fcn-llm": "fcn_llm.method:FCNLLM",
    "fmri-lm": "fmri_lm.method:FMRILM",
    "nv2l": "nv2l.method:NV2L",
}
