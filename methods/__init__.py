"""Systems of the literature, one folder each."""

METHODS = {
    "brainec-llm": "brainec_llm.method:BrainECLLM",
    "fcn-llm": "fcn_llm.method:FCNLLM",
    "fmri-lm": "fmri_lm.method:FMRILM",
    "medarc": "medarc.method:MedARC",
    "nv2l": "nv2l.method:NV2L",
}
