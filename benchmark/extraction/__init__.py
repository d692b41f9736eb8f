"""Stimulus features: what models of text, sound and pictures make of a film, one row per chunk of 1.49 s."""
