"""Data sets: cards, the cohort on disk, importers and checks."""

DATASETS = {
    "abide1": "abide:ABIDE1",
    "abide2": "abide:ABIDE2",
}
