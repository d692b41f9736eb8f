"""Site aggregates of a public phenotype table, the only thing of real people that a twin is drawn from.

Anyone with the public tables makes the files of this folder again::

    python -m brainbench.benchmark.simulate.aggregate ABIDE1_Phenotypic_V1_0b.csv abide1_sites.csv
    python -m brainbench.benchmark.simulate.aggregate ABIDEII_Composite_Phenotypic.csv abide2_sites.csv
    python -m brainbench.benchmark.simulate.aggregate adhd200_preprocessed_phenotypics.csv adhd200_sites.csv

The first table is ``Phenotypic_V1_0b.csv`` of ABIDE I (Di Martino et al. 2014), the second
``ABIDEII_Composite_Phenotypic.csv`` of ABIDE II (Di Martino et al. 2017), the third that of ADHD-200
(The ADHD-200 Consortium 2012); all come from INDI. Ages are coarse on purpose (means and deviations to
0.1 year, ranges to whole years), so that no row of a small site gives back one person's age. TR and
frames are not in these tables: they stand in the ``*_scans.csv`` files, each with where it comes from,
or ``assumed``. The tables of the other cohorts are closed: their ``*_sites.csv`` were written by hand,
from published summaries and assumptions.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

DIAGNOSIS = {1: "autism", 2: "control"}

ADHD200_SITES = {
    1: "Peking",
    2: "Brown",
    3: "KKI",
    4: "NeuroIMAGE",
    5: "NYU",
    6: "OHSU",
    7: "Pittsburgh",
    8: "WashU",
}
"""Site codes of the ADHD-200 tables."""

ADHD200_DIAGNOSIS = {"0": "control", "1": "ADHD", "2": "ADHD", "3": "ADHD"}
"""DX codes; 1 combined, 2 hyperactive, 3 inattentive."""


def aggregate(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """One row a site and diagnosis: counts by sex, age mean, deviation (years) and range.

    Parameters
    ----------
    table
        Of ABIDE: columns SITE_ID, DX_GROUP (1 autism, 2 control), SEX (1 male, 2 female), AGE_AT_SCAN. Of
        ADHD-200: Site, DX, Gender (0 female, 1 male), Age; who lacks one of these is not counted.
    source
        What the rows were counted in.
    """
    people = _adhd200(table) if "DX" in table.columns else _abide(table)
    rows = []
    for (site, diagnosis), part in people.groupby(["site", "diagnosis"]):
        rows.append(
            {
                "site": site,
                "diagnosis": diagnosis,
                "male": int((part["sex"] == "male").sum()),
                "female": int((part["sex"] == "female").sum()),
                "age_mean": round(part["age"].mean(), 1),
                "age_sd": round(part["age"].std(), 1),
                "age_min": int(np.floor(part["age"].min())),
                "age_max": int(np.ceil(part["age"].max())),
                "source": source,
            }
        )
    return pd.DataFrame(rows)


def _abide(table: pd.DataFrame) -> pd.DataFrame:
    """Columns site, diagnosis, sex and age of an ABIDE table."""
    table = table.rename(columns=str.strip)
    return pd.DataFrame(
        {
            "site": table["SITE_ID"].str.removeprefix("ABIDEII-"),
            "diagnosis": table["DX_GROUP"].map(DIAGNOSIS),
            "sex": table["SEX"].map({1: "male", 2: "female"}),
            "age": table["AGE_AT_SCAN"].astype(float),
        }
    )


def _adhd200(table: pd.DataFrame) -> pd.DataFrame:
    """Columns site, diagnosis, sex and age of the ADHD-200 table."""
    people = pd.DataFrame(
        {
            "site": table["Site"].map(ADHD200_SITES),
            "diagnosis": table["DX"].astype(str).map(ADHD200_DIAGNOSIS),
            "sex": table["Gender"].map({1: "male", 0: "female"}),
            "age": pd.to_numeric(table["Age"], errors="coerce"),
        }
    )
    return people.dropna()


def main(phenotypes: str, out: str) -> None:
    """Read a public table, write its aggregates."""
    table = pd.read_csv(phenotypes, encoding="latin1")
    aggregate(table, Path(phenotypes).name).to_csv(out, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
