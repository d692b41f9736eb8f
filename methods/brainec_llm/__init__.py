"""BrainEC-LLM: the attention of a reconstruction model around a language model, read as a directed graph."""
