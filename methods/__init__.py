"""Systems of the literature, one folder each."""

METHODS = {
    "brainec-llm": "brainec_llm.method:BrainECLLM",
    "fmri-lm": "fmri_lm.method:FMRILM",
}
