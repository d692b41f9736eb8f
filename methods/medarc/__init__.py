"""MedARC's multi-subject convolutional linear encoder of brain responses to films."""
