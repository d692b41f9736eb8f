"""Task declarations, one file a family."""

TASKS = {
    "abide1-asd": "autism:ABIDE1_ASD",
    "abide2-asd": "autism:ABIDE2_ASD",
}

SUITES = {
    "autism": ("abide1-asd", "abide2-asd"),
}
