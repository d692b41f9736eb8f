"""Task declarations, one file a family."""

NETSIM = tuple(f"netsim-{k}" for k in range(1, 29))
SANCHEZ = tuple(
    f"sanchez-Network{case}"
    for case in (
        *("1_amp", "2_amp", "3_amp", "4_amp"),
        *("5_amp", "5_cont", "5_cont_p3n7", "5_cont_p7n3"),
        *("6_amp", "6_cont", "7_amp", "7_cont"),
        *("8_amp_amp", "8_amp_cont", "8_cont_amp"),
        *("9_amp_amp", "9_amp_cont", "9_cont_amp"),
    )
)
CONNECTIVITY = (*NETSIM, *SANCHEZ, "cdrl-quad-5", "cdrl-quad-7", "mtl-left", "mtl-right")

TASKS = {
    "abide1-asd": "autism:ABIDE1_ASD",
    "abide2-asd": "autism:ABIDE2_ASD",
    **{name: f"connectivity:DECLARED/{name}" for name in CONNECTIVITY},
}

SUITES = {
    "autism": ("abide1-asd", "abide2-asd"),
    "netsim": NETSIM,
    "sanchez": SANCHEZ,
}
