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

COGNITION = tuple(f"{score}{form}" for score in ("fluid-composite", "flanker") for form in ("", "-status"))
PHENOTYPES = {
    "abide1": ("sex", "age", "age-group"),
    "abide2": ("sex", "age", "age-group"),
    "adhd200": ("adhd", "sex", "age"),
    "ukb": ("sex", "age", "age-group", "fluid", "fluid-status"),
    "hcp": ("sex", "age", *COGNITION),
    "hcp-aging": ("sex", "age", "age-group", *COGNITION),
    "abcd": ("sex", "age", *COGNITION),
    "adni": ("ad", "cn-mci-ad", "cn-vs-rest", "apoe4", "sex", "age", "age-group"),
    "hcp-volumes": ("sex",),
}
"""Cohort -> its targets; autism has a file of its own."""

ASKED = ("abide1", "abide2", "adhd200", "ukb", "hcp", "hcp-aging", "abcd", "adni")
"""Cohorts whose targets are also asked together, in one prompt."""
MULTI, OPEN = (tuple(f"{cohort}-{paradigm}" for cohort in ASKED) for paradigm in ("multi", "open"))

VISION = ("nsd-caption", "nsd-description", "nsd-reasoning", "nsd-reconstruction", "nsd-grounding", "nsd-localisation")

MOVIES = ("algonauts2025-val", "algonauts2025-friends", "algonauts2025-ood")

TASKS = {
    "abide1-asd": "autism:ABIDE1_ASD",
    "abide2-asd": "autism:ABIDE2_ASD",
    **{
        name: f"phenotypes:DECLARED/{name}"
        for name in (f"{cohort}-{target}" for cohort, targets in PHENOTYPES.items() for target in targets)
    },
    **{name: f"questions:DECLARED/{name}" for name in (*MULTI, *OPEN)},
    **{name: f"connectivity:DECLARED/{name}" for name in CONNECTIVITY},
    **{name: f"vision:DECLARED/{name}" for name in VISION},
    **{name: f"movies:DECLARED/{name}" for name in MOVIES},
}

SUITES = {
    "autism": ("abide1-asd", "abide2-asd"),
    "fmri-lm-table3": ("ukb-sex", "hcp-sex", "adni-cn-vs-rest", "adhd200-adhd", "abide2-asd"),
    "fmri-lm-table4": (
        *("ukb-age", "ukb-fluid", "hcp-age", "hcp-fluid-composite"),
        *("hcp-aging-flanker", "hcp-aging-fluid-composite"),
    ),
    "fmri-lm-table9": (
        *("ukb-age-group", "ukb-fluid-status", "hcp-fluid-composite-status"),
        *("hcp-aging-age-group", "hcp-aging-fluid-composite-status", "hcp-aging-flanker-status"),
    ),
    "fmri-lm-table10": (
        *("ukb-sex", "ukb-fluid-status", "hcp-sex", "hcp-fluid-composite-status", "hcp-aging-sex"),
        *("hcp-aging-fluid-composite-status", "hcp-aging-flanker-status"),
        *("adni-cn-vs-rest", "adhd200-adhd", "abide2-asd"),
    ),
    "fmri-lm-multi": MULTI,
    "fmri-lm-open": OPEN,
    "nsd": VISION,
    "algonauts2025": MOVIES,
    "netsim": NETSIM,
    "sanchez": SANCHEZ,
}
