"""Systems of the literature, one folder each."""

METHODS = {
    "fmri-lm": "fmri_lm.method:FMRILM",
}
