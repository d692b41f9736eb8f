"""Task declarations, one file a family."""

TASKS = {
    "abide1-asd": "autism:ABIDE1_ASD",
    "abide2-asd": "autism:ABIDE2_ASD",
}
