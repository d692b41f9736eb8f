"""FCN-LLM: a language model that reads functional connectivity networks at three scales."""
