"""fMRI-LM: a language model that reads scans through a text-aligned tokenizer."""
