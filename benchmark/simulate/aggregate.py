"""Site aggregates of a public phenotype table, the only thing of real people that a twin is drawn from.

Anyone with the public tables makes the files of this folder again::

    python -m brainbench.benchmark.simulate.aggregate ABIDE1_Phenotypic_V1_0b.csv abide1_sites.csv
    python -m brainbench.benchmark.simulate.aggregate ABIDEII_Composite_Phenotypic.csv abide2_sites.csv

The first table is ``Phenotypic_V1_0b.csv`` of ABIDE I (Di Martino et al. 2014), the second
``ABIDEII_Composite_Phenotypic.csv`` of ABIDE II (Di Martino et al. 2017); both come from INDI. Ages
are coarse on purpose (means and deviations to 0.1 year, ranges to whole years), so that no row of a
small site gives back one person's age. TR and frames are not in these tables: they stand in the
``*_scans.csv`` files, each with where it comes from, or ``assumed``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

DIAGNOSIS = {1: "autism", 2: "control"}


def aggregate(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """One row a site and diagnosis: counts by sex, age mean, deviation (years) and range.

    Parameters
    ----------
    table
        Columns SITE_ID, DX_GROUP (1 autism, 2 control), SEX (1 male, 2 female), AGE_AT_SCAN.
    source
        What the rows were counted in.
    """
    table = table.rename(columns=str.strip)
    site = table["SITE_ID"].str.removeprefix("ABIDEII-")
    rows = []
    for (name, code), part in table.groupby([site, table["DX_GROUP"].map(DIAGNOSIS)]):
        age = part["AGE_AT_SCAN"].astype(float)
        rows.append(
            {
                "site": name,
                "diagnosis": code,
                "male": int((part["SEX"] == 1).sum()),
                "female": int((part["SEX"] == 2).sum()),
                "age_mean": round(age.mean(), 1),
                "age_sd": round(age.std(), 1),
                "age_min": int(np.floor(age.min())),
                "age_max": int(np.ceil(age.max())),
                "source": source,
            }
        )
    return pd.DataFrame(rows)


def main(phenotypes: str, out: str) -> None:
    """Read a public table, write its aggregates."""
    table = pd.read_csv(phenotypes, encoding="latin1")
    aggregate(table, Path(phenotypes).name).to_csv(out, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
